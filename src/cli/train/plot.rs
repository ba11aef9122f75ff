//! The curve of the loss as a picture.

use std::fmt::Write as _;

/// Losses by the number of the step after which they were found, from 1.
pub(super) struct Curves {
    /// Of each step's batch.
    pub(super) train: Vec<(u64, f64)>,
    /// Of the validation set.
    pub(super) validation: Vec<(u64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 72.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;

/// Points that a curve is drawn with at most.
const POINTS: usize = 1000;

/// The curves as an SVG, losses on a logarithmic scale. Long curves are drawn by means of neighbours.
pub(super) fn svg(curves: &Curves) -> String {
    let all = || curves.train.iter().chain(&curves.validation).filter(|point| point.1.is_finite());
    let least = all().map(|p| p.1).filter(|v| *v > 0.0).fold(f64::INFINITY, f64::min);
    let most = all().map(|p| p.1).fold(f64::MIN_POSITIVE, f64::max);
    let least = if least.is_finite() { least.min(most / 2.0) } else { most / 10.0 };
    let (low, high) = (least.log10(), most.log10());
    // A training that is resumed does not begin at step 1.
    let first = all().map(|p| p.0).min().unwrap_or(1) as f64;
    let last = (all().map(|p| p.0).max().unwrap_or(1) as f64).max(first + 1.0);
    let x = |step: f64| LEFT + (step - first) / (last - first) * (WIDTH - LEFT - RIGHT);
    let y = |loss: f64| {
        let share = (loss.max(least).log10() - low) / (high - low);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for tick in ticks(least, most) {
        let at = y(tick);
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(tick)
        );
    }
    for i in 0..=4 {
        let step = (first + (last - first) * f64::from(i) / 4.0).round();
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{step}</text>",
            x(step),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">step</text>", WIDTH / 2.0, HEIGHT - 8.0);
    let mut at = LEFT;
    for (name, colour, points) in
        [("training loss", "#1f77b4", &curves.train), ("validation loss", "#d62728", &curves.validation)]
    {
        if points.is_empty() {
            continue;
        }
        let path: Vec<String> =
            thinned(points).iter().map(|(step, loss)| format!("{:.1},{:.1}", x(*step), y(*loss))).collect();
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>\n\
             <text x=\"{at:.1}\" y=\"20\" fill=\"{colour}\">{name}: {}</text>",
            path.join(" "),
            number(points[points.len() - 1].1)
        );
        at += 240.0;
    }
    out.push_str("</svg>\n");
    out
}

/// Means of neighbours, so that there are not too many points.
fn thinned(points: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let finite: Vec<&(u64, f64)> = points.iter().filter(|p| p.1.is_finite()).collect();
    let each = finite.len().div_ceil(POINTS).max(1);
    let mean = |chunk: &[&(u64, f64)]| {
        let n = chunk.len() as f64;
        (chunk.iter().map(|p| p.0 as f64).sum::<f64>() / n, chunk.iter().map(|p| p.1).sum::<f64>() / n)
    };
    finite.chunks(each).map(mean).collect()
}

/// 1, 2 and 5 times powers of ten between two numbers; powers alone where these are many.
fn ticks(least: f64, most: f64) -> Vec<f64> {
    let decades = (most.log10() - least.log10()).ceil() as i32;
    let factors: &[f64] = if decades > 3 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let first = least.log10().floor() as i32;
    let all = (first..=first + decades + 1).flat_map(|p| factors.iter().map(move |f| f * 10f64.powi(p)));
    all.filter(|t| (least..=most).contains(t)).collect()
}

fn number(v: f64) -> String {
    if v != 0.0 && !(1e-3..1e5).contains(&v.abs()) { format!("{v:.2e}") } else { format!("{}", (v * 1e4).round() / 1e4) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_from_left_to_right() {
        let train = (1..=3000u64).map(|step| (step, 2.0 / step as f64)).collect();
        let text = svg(&Curves { train, validation: vec![(1000, 0.5), (3000, 0.1)] });
        let points = text.split("points=\"").nth(1).expect("a curve").split('"').next().expect("its points");
        let ys: Vec<f64> =
            points.split(' ').map(|p| p.split_once(',').expect("a pair").1.parse().expect("a number")).collect();
        assert!(ys.len() <= POINTS && ys.len() > POINTS / 2, "{}", ys.len());
        // Down the page is a larger y.
        assert!(ys.is_sorted(), "{ys:?}");
        assert!(text.contains("validation loss: 0.1"));
    }

    #[test]
    fn no_loss_or_one_is_a_picture_as_well() {
        assert!(svg(&Curves { train: vec![], validation: vec![] }).ends_with("</svg>\n"));
        assert!(!svg(&Curves { train: vec![(1, 0.0)], validation: vec![] }).contains("NaN"));
    }
}
