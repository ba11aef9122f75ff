//! The pool of threads: every part once, callers at the same time, ends and panics.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::runtime::{Executor, Pool};

/// Runs parts on a pool and says how often each ran.
fn runs(pool: &Pool, parts: usize) -> Vec<usize> {
    let counts: Vec<AtomicUsize> = (0..parts).map(|_| AtomicUsize::new(0)).collect();
    pool.run(parts, &|part| {
        counts[part].fetch_add(1, Ordering::Relaxed);
    });
    counts.into_iter().map(AtomicUsize::into_inner).collect()
}

#[test]
fn every_part_runs_once() {
    for threads in [1, 2, 3, 7] {
        let pool = Pool::new(threads);
        assert_eq!(pool.threads(), threads);
        for parts in (0..20).cycle().take(400) {
            assert_eq!(runs(&pool, parts), vec![1; parts], "{threads} threads");
        }
    }
    assert_eq!(Pool::new(0).threads(), 1);
}

#[test]
fn workers_that_sleep_are_woken() {
    let pool = Pool::new(3);
    for _ in 0..5 {
        std::thread::sleep(std::time::Duration::from_millis(3));
        assert_eq!(runs(&pool, 3), [1, 1, 1]);
        // All three must be there at the same time for this to end.
        let barrier = Barrier::new(3);
        let there = || {
            pool.run(3, &|_| {
                barrier.wait();
            });
        };
        there();
        std::thread::sleep(std::time::Duration::from_millis(1));
        there();
    }
}

#[test]
fn a_caller_sleeps_until_long_parts_are_done() {
    let pool = Pool::new(2);
    for _ in 0..3 {
        let done = AtomicUsize::new(0);
        let both = Barrier::new(2);
        pool.run(2, &|part| {
            both.wait();
            if part == 1 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 2);
    }
}

#[test]
fn callers_share_a_pool() {
    let pool = Pool::new(3);
    std::thread::scope(|scope| {
        for caller in 1..5 {
            let pool = &pool;
            scope.spawn(move || {
                for round in 0..300 {
                    let parts = (caller * round) % 9;
                    assert_eq!(runs(pool, parts), vec![1; parts]);
                }
            });
        }
    });
    // What a part hands out itself runs, too.
    let inner = AtomicUsize::new(0);
    pool.run(3, &|_| {
        pool.run(4, &|_| {
            inner.fetch_add(1, Ordering::Relaxed);
        });
    });
    assert_eq!(inner.into_inner(), 12);
}

#[test]
fn pools_start_and_end() {
    for round in 0..200 {
        let pool = Pool::new(1 + round % 5);
        if round % 3 != 0 {
            assert_eq!(runs(&pool, round % 7), vec![1; round % 7]);
        }
        if round % 50 == 0 {
            // Long enough for workers to fall asleep.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
    }
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = Pool::new(3);
    for bad in 0..4 {
        let ran = AtomicUsize::new(0);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(4, &|part| {
                ran.fetch_add(1, Ordering::Relaxed);
                assert_ne!(part, bad, "this part is bad");
            });
        }));
        let message = result.expect_err("it panics").downcast::<String>().expect("with a text");
        assert!(message.contains("this part is bad"), "{message}");
        assert!(ran.into_inner() >= 1);
        assert_eq!(runs(&pool, 4), [1, 1, 1, 1]);
    }
}
