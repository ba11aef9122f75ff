use super::*;
use crate::kernels::build::KernelBuilder;
use crate::kernels::ir::{
    Count, Inst, MAX_LOOP_DEPTH, Offset, Ptr, Spills, Stmt, VecBinary, VecUnary, Vreg, Wide, WideInst,
    WideOperand,
};
use crate::kernels::step::TableArg;

/// `out[r][i] = x[r][i] + x[r][i + 8]` for rows of 24 floats 128 bytes apart, 16 at a time, `n` times.
fn sum_kernel() -> Kernel {
    let mut k = KernelBuilder::new("sum");
    let (x, out, n) = (k.ptr_arg(), k.ptr_arg(), k.int_arg());
    k.repeat(Count::Int(n), |k| {
        let (a, b) = (k.load(x.at(0), 8), k.load(x.at(32), 8));
        let sum = k.binary(VecBinary::Add, a, x.at(32));
        k.store(out.at(0), sum, 8);
        let part = k.load(x.at(64), 8);
        k.binary_to(VecBinary::Add, b, b, part);
        k.store(out.at(32), b, 8);
        k.advance(x, 128);
        k.advance(out, 64);
    });
    k.finish(Spills::Allowed)
}

/// Four units of 3 rows each over two tables of halves: arena 1,536 bytes in, output 768 bytes out.
fn lowered() -> Lowered {
    let args = vec![
        CallArg::Ptr {
            base: Base::Arena,
            offset: 0,
            strides: vec![384, 0],
            tables: vec![TableArg { dim: 1, offsets: vec![768, 0] }],
        },
        CallArg::Ptr { base: Base::Output(0), offset: 0, strides: vec![192, 384], tables: Vec::new() },
        CallArg::Int(3),
    ];
    let nest = Nest::new(vec![2, 2], vec![Call { kernel: KernelId(0), args }]);
    Lowered {
        kernels: vec![sum_kernel()],
        prepare: Vec::new(),
        run: vec![Step { name: "sum".to_owned(), nests: vec![nest] }],
        consts: vec![0; 64],
        packed_bytes: 2048,
        // The last row is read up to its 24th float only.
        arena_bytes: 1536 - 32,
        local_bytes: 0,
        input_bytes: vec![2048],
        output_bytes: vec![768],
        param_bytes: vec![2048],
    }
}

fn call(lowered: &mut Lowered) -> &mut Call {
    &mut lowered.run[0].nests[0].calls[0]
}

fn problems(change: impl FnOnce(&mut Lowered)) -> Vec<String> {
    let mut lowered = lowered();
    change(&mut lowered);
    verify(&lowered).iter().map(Problem::to_string).collect()
}

/// Every single change of an offset, count, stride or table by one step is found.
#[test]
fn finds_every_off_by_one() {
    assert_eq!(problems(|_| ()), Vec::<String>::new());
    let found = |what: &str, change: &dyn Fn(&mut Lowered)| {
        let problems = problems(change);
        assert!(problems.iter().any(|p| p.contains("which has")), "{what}: {problems:?}");
    };
    found("arena", &|l| l.arena_bytes -= 1);
    found("output", &|l| l.output_bytes[0] -= 1);
    found("count", &|l| call(l).args[2] = CallArg::Int(4));
    found("dim 0", &|l| l.run[0].nests[0].dims[0] = 3);
    for arg in 0..2 {
        for by in [-4, 4] {
            found("offset", &|l| {
                let CallArg::Ptr { offset, .. } = &mut call(l).args[arg] else { panic!() };
                *offset += by;
            });
        }
        for dim in 0..2 {
            // The table's second entry is the lower one: 4 bytes more stay within.
            if (arg, dim) != (0, 1) {
                found("stride", &|l| {
                    let CallArg::Ptr { strides, .. } = &mut call(l).args[arg] else { panic!() };
                    strides[dim] += 4;
                });
            }
            found("stride", &|l| {
                let CallArg::Ptr { strides, .. } = &mut call(l).args[arg] else { panic!() };
                strides[dim] = -4;
            });
        }
    }
    for (entry, by) in [(0, 4), (1, -4)] {
        found("table", &|l| {
            let CallArg::Ptr { tables, .. } = &mut call(l).args[0] else { panic!() };
            tables[0].offsets[entry] += by;
        });
    }
    // Inside the kernel.
    let body = |l: &mut Lowered, at: usize, new: Inst| {
        let Stmt::Loop { body, .. } = &mut l.kernels[0].body[0] else { panic!() };
        body[at] = Stmt::Inst(new);
    };
    found("load", &|l| body(l, 0, Inst::Load { dst: Vreg(0), addr: Ptr(0).at(-4) }));
    found("load", &|l| body(l, 4, Inst::Load { dst: Vreg(3), addr: Ptr(0).at(68) }));
    found("operand", &|l| {
        let b = Ptr(0).at(68).into();
        body(l, 2, Inst::Binary { op: VecBinary::Add, dst: Vreg(2), a: Vreg(0), b });
    });
    found("store", &|l| body(l, 6, Inst::Store { addr: Ptr(1).at(36), src: Vreg(1) }));
    for (at, by) in [(7, 132), (8, 68)] {
        found("advance", &|l| {
            let Stmt::Loop { body, .. } = &mut l.kernels[0].body[0] else { panic!() };
            let Stmt::Advance { by: offset, .. } = &mut body[at] else { panic!() };
            *offset = Offset::Bytes(by);
        });
    }
}

#[test]
fn finds_malformed_calls() {
    let found = |what: &str, change: &dyn Fn(&mut Lowered)| {
        let problems = problems(change);
        assert!(problems.iter().any(|p| p.contains(what)), "{what}: {problems:?}");
    };
    found("1 strides for 2 dims", &|l| {
        let CallArg::Ptr { strides, .. } = &mut call(l).args[0] else { panic!() };
        strides.pop();
    });
    found("a table of 1 entries for a dim of 2", &|l| {
        let CallArg::Ptr { tables, .. } = &mut call(l).args[0] else { panic!() };
        tables[0].offsets.pop();
    });
    found("a table for dim 2 of 2", &|l| {
        let CallArg::Ptr { tables, .. } = &mut call(l).args[0] else { panic!() };
        tables[0].dim = 2;
    });
    found("no multiple of 4", &|l| {
        let CallArg::Ptr { offset, .. } = &mut call(l).args[0] else { panic!() };
        *offset = 2;
    });
    found("is 0", &|l| l.run[0].nests[0].dims[1] = 0);
    found("units overflows", &|l| {
        l.run[0].nests = vec![Nest::new(vec![1 << 40; 2], Vec::new())];
    });
    found("2 arguments, 3 declared", &|l| drop(call(l).args.pop()));
    found("an integer for a pointer", &|l| call(l).args[0] = CallArg::Int(0));
    found("no kernel number 1", &|l| call(l).kernel = KernelId(1));
    found("a loop of -1 iterations", &|l| call(l).args[2] = CallArg::Int(-1));
    found("a distance overflows", &|l| call(l).args[2] = CallArg::Int(i64::MAX));
    let base = |l: &mut Lowered, arg: usize, new: Base| {
        let CallArg::Ptr { base, .. } = &mut call(l).args[arg] else { panic!() };
        *base = new;
    };
    found("there is no output1", &|l| base(l, 1, Base::Output(1)));
    for read_only in [Base::Packed, Base::Input(0), Base::Param(0), Base::Consts] {
        found("is written by a Run step", &|l| base(l, 1, read_only));
    }
    let prepare = |l: &mut Lowered, read: Base, written: Base| {
        base(l, 0, read);
        base(l, 1, written);
        l.prepare = std::mem::take(&mut l.run);
    };
    assert_eq!(problems(|l| prepare(l, Base::Param(0), Base::Packed)), Vec::<String>::new());
    for other in [Base::Arena, Base::Output(0), Base::Param(0)] {
        found("is written by a Prepare step", &|l| prepare(l, Base::Param(0), other));
    }
    for other in [Base::Arena, Base::Input(0), Base::Output(0)] {
        found("is read by a Prepare step", &|l| prepare(l, other, Base::Packed));
    }
}

#[test]
fn finds_malformed_statements() {
    let found = |what: &str, body: &dyn Fn(&mut KernelBuilder, Ptr)| {
        let mut k = KernelBuilder::new("bad");
        let p = k.ptr_arg();
        k.int_arg();
        body(&mut k, p);
        let problems = verify_kernel(&k.finish(Spills::Allowed));
        let text: Vec<String> = problems.iter().map(Problem::to_string).collect();
        match what {
            "" => assert_eq!(text, Vec::<String>::new()),
            what => assert!(text.len() == 1 && text[0].contains(what), "{what}: {text:?}"),
        }
    };
    let int = crate::kernels::ir::Int;
    let in_loop = |count: Count| {
        move |k: &mut KernelBuilder, p: Ptr| {
            let v = k.vreg();
            k.repeat(count, |k| k.load_to(v, p.at(0), 8));
            k.store(p.at(0), v, 8);
        }
    };
    found("", &in_loop(Count::Static(1)));
    found("v0 may be read before", &in_loop(Count::Int(int(1))));
    found("no iteration", &|k, _| k.repeat(Count::Static(0), |_| ()));
    found("i0 is no integer", &|k, _| k.repeat(Count::Int(int(0)), |_| ()));
    found("i2 is no integer", &|k, p| k.advance_int(p, int(2)));
    found("p1 may be read", &|k, p| {
        let q = k.ptr();
        k.set_ptr(p, q, Offset::Bytes(0));
    });
    found("there is no p7", &|k, p| k.set_ptr(Ptr(7), p, Offset::Bytes(0)));
    found("there is no v9", &|k, _| k.inst(Inst::Splat { dst: Vreg(9), bits: 0 }));
    found("0 lanes", &|k, p| drop_reg(k.load(p.at(0), 0)));
    found("9 lanes", &|k, p| drop_reg(k.load_strided(p.at(0), 8, 9)));
    found("a stride of 0", &|k, p| drop_reg(k.load_strided(p.at(0), 0, 8)));
    found("6 is no multiple", &|k, p| drop_reg(k.load_strided(p.at(0), 6, 8)));
    found("2 is no multiple", &|k, p| drop_reg(k.load(p.at(2), 8)));
    found("2 is no multiple", &|k, p| k.advance(p, 2));
    found("a shift by 32", &|k, p| {
        let v = k.load(p.at(0), 8);
        k.unary(VecUnary::ShiftRight(32), v);
    });
    found("4..=0", &|k, p| k.lookup(p, p, p.at(0), (4, 0)));
    found("both the result", &|k, p| {
        let v = k.load(p.at(0), 8);
        k.inst(Inst::Gather { dst: v, addr: p.at(0), index: v, bounds: (0, 1) });
    });
    found("twice", &|k, p| {
        let mut regs: [Vreg; 8] = std::array::from_fn(|_| k.load(p.at(0), 8));
        regs[3] = regs[6];
        k.inst(Inst::Transpose { regs });
    });
    for by in [0, 8] {
        found(&format!("a slide by {by}"), &|k, p| {
            let (v, dst) = (k.load(p.at(0), 8), k.vreg());
            k.inst(Inst::Slide { dst, low: v, high: v, by });
        });
    }
    found("both the result of a slide", &|k, p| {
        let v = k.load(p.at(0), 8);
        k.inst(Inst::Slide { dst: v, low: v, high: v, by: 1 });
    });
    found("a slide of a wide register by 16", &|k, _| {
        let w = k.wide();
        k.wide_inst(WideInst::Splat { dst: w, bits: 0 });
        k.wide_inst(WideInst::Slide { dst: w, low: w, high: w, by: 16 });
    });
    found("w0 may be read before", &|k, _| {
        let wide = k.wide();
        drop_reg(k.half(wide, true));
    });
    found("16 lanes of a wide register", &|k, p| {
        let dst = k.wide();
        k.wide_inst(WideInst::LoadPart { dst, addr: p.at(0), lanes: 16, last: false });
    });
    found("w0 may be read before", &|k, p| {
        let src = k.wide();
        k.wide_inst(WideInst::Store { addr: p.at(0), src });
    });
    found("there is no w3", &|k, _| k.wide_inst(WideInst::Splat { dst: Wide(3), bits: 0 }));
    found("6 is no multiple", &|k, p| {
        let (acc, b) = (k.wide(), WideOperand::Splat(p.at(6)));
        k.wide_inst(WideInst::Load { dst: acc, addr: p.at(64) });
        k.wide_inst(WideInst::Fma { acc, a: acc, b });
    });
    let nest = |k: &mut KernelBuilder, depth: usize| {
        fn inner(k: &mut KernelBuilder, depth: usize) {
            if depth > 0 {
                k.repeat(Count::Static(2), |k| inner(k, depth - 1));
            }
        }
        inner(k, depth);
    };
    found("", &|k, _| nest(k, MAX_LOOP_DEPTH));
    found("deeper than 5", &|k, _| nest(k, MAX_LOOP_DEPTH + 1));
    let mut twice = sum_kernel();
    twice.args[1] = Arg::Ptr(Ptr(0));
    assert!(verify_kernel(&twice)[0].what.contains("two arguments"));
}

fn drop_reg(_: Vreg) {}
