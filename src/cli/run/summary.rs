//! What an output holds, for people and as data.

use serde_json::{Value, json};

use crate::cli::console::{Console, escaped};
use crate::cli::failure::Failure;
use crate::cli::report::{number, shape};
use crate::tensor::Tensor;

/// How many classes are listed.
const TOP: usize = 5;

/// Facts about one output.
#[derive(Debug)]
pub(super) struct Summary {
    name: String,
    shape: Vec<usize>,
    range: Option<Range>,
    not_finite: usize,
    /// For each sample, the largest values with their classes; empty where it is no classifier.
    top: Vec<Vec<Class>>,
}

#[derive(Debug)]
struct Range {
    min: f32,
    max: f32,
    mean: f64,
}

#[derive(Debug)]
struct Class {
    index: usize,
    label: Option<String>,
    value: f32,
}

/// What makes an output one of classes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Classes<'a> {
    /// Names of the classes, in order; may be empty.
    pub(super) labels: &'a [String],
    /// Whether the first axis counts samples.
    pub(super) batched: bool,
}

impl Summary {
    pub(super) fn new(name: &str, tensor: &Tensor, classes: Option<Classes<'_>>) -> Summary {
        let finite = || tensor.data().iter().copied().filter(|v| v.is_finite());
        let count = finite().count();
        let range = (count > 0).then(|| Range {
            min: finite().fold(f32::INFINITY, f32::min),
            max: finite().fold(f32::NEG_INFINITY, f32::max),
            mean: finite().map(f64::from).sum::<f64>() / count as f64,
        });
        let top = classes.map(|c| top(tensor, c)).unwrap_or_default();
        Summary {
            name: name.to_owned(),
            shape: tensor.shape().to_vec(),
            range,
            not_finite: tensor.data().len() - count,
            top,
        }
    }

    /// "edges [1, 1, 480, 640]  min 0  max 3.1  mean 0.12".
    pub(super) fn line(&self) -> String {
        let mut text = format!("{} {}", self.name, shape(&self.shape));
        if let Some(range) = &self.range {
            text += &format!(
                "  min {}  max {}  mean {}",
                number(range.min.into()),
                number(range.max.into()),
                number(range.mean)
            );
        }
        if self.not_finite > 0 {
            text += &format!("  {} of {} values are not finite", self.not_finite, self.shape.iter().product::<usize>());
        }
        text
    }

    pub(super) fn print(&self, console: &mut Console) -> Result<(), Failure> {
        console.line(format_args!("{}", self.line()))?;
        for (sample, classes) in self.top.iter().enumerate() {
            if self.top.len() > 1 {
                console.line(format_args!("  sample {sample}"))?;
            }
            for class in classes {
                console.line(format_args!("  {:<10} {}", number(class.value.into()), class.name()))?;
            }
        }
        Ok(())
    }

    /// The best class of the first sample, for one line a picture.
    pub(super) fn best(&self) -> Option<String> {
        let best = self.top.first()?.first()?;
        Some(format!("{} ({})", best.name(), number(best.value.into())))
    }

    pub(super) fn as_json(&self) -> Value {
        let top = |classes: &Vec<Class>| -> Vec<Value> {
            classes.iter().map(|c| json!({ "class": c.index, "label": c.label, "value": c.value })).collect()
        };
        json!({
            "name": self.name,
            "shape": self.shape,
            "min": self.range.as_ref().map(|r| r.min),
            "max": self.range.as_ref().map(|r| r.max),
            "mean": self.range.as_ref().map(|r| r.mean),
            "not_finite": self.not_finite,
            "top": self.top.iter().map(top).collect::<Vec<_>>(),
        })
    }
}

impl Class {
    fn name(&self) -> String {
        match &self.label {
            Some(label) => escaped(label),
            None => format!("class {}", self.index),
        }
    }
}

/// The largest values of each sample; of equal ones the first comes first, and NaN comes last.
fn top(tensor: &Tensor, classes: Classes<'_>) -> Vec<Vec<Class>> {
    let samples = if classes.batched { tensor.shape().first().copied().unwrap_or(1) } else { 1 };
    let length = tensor.data().len() / samples.max(1);
    if length == 0 {
        return Vec::new();
    }
    let of_sample = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        let key = |&i: &usize| values.get(i).copied().filter(|v| !v.is_nan()).unwrap_or(f32::NEG_INFINITY);
        order.sort_by(|a, b| key(b).total_cmp(&key(a)));
        let class = |index: usize| Class {
            index,
            label: classes.labels.get(index).cloned(),
            value: values.get(index).copied().unwrap_or(f32::NAN),
        };
        order.into_iter().take(TOP).map(class).collect()
    };
    tensor.data().chunks_exact(length).map(of_sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ordered_for_each_sample() {
        let tensor = Tensor::new(&[2, 3], vec![0.1, 0.7, 0.2, f32::NAN, 0.5, 0.5]).expect("the lengths agree");
        let labels = ["cat".to_owned(), "dog".to_owned()];
        let summary = Summary::new("y", &tensor, Some(Classes { labels: &labels, batched: true }));
        let order: Vec<Vec<usize>> = summary.top.iter().map(|t| t.iter().map(|c| c.index).collect()).collect();
        assert_eq!(order, [[1, 2, 0], [1, 2, 0]]);
        assert_eq!(summary.best().expect("there is a best class"), "dog (0.7)");
        assert_eq!(summary.top[0][1].name(), "class 2");
        assert_eq!(summary.not_finite, 1);
        assert_eq!(summary.line(), "y [2, 3]  min 0.1  max 0.7  mean 0.4  1 of 6 values are not finite");
    }
}
