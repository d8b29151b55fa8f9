//! Shapes of arguments that differ in one file.

use std::collections::{BTreeMap, HashMap};

use super::argument::{self, ArgumentTemplate};
use super::options::Generalisation;
use super::template::Template;
use crate::event::{Arguments, Fact};

/// Longest list of arguments that is generalised: the work grows with its square.
const MAX_ARGUMENTS: usize = 32;

/// Generalises shapes of one program; those that stand for themselves are left out.
///
/// A shape may fit a template in each of its places. The one that stands for most shapes has it,
/// of equals the first.
pub(super) fn generalise<'a>(
    facts: impl Iterator<Item = (usize, &'a Fact)>,
    how: &Generalisation,
) -> Vec<(Template, Vec<usize>)> {
    let Some(enough) = how.arguments else {
        return Vec::new();
    };
    let mut words = Words::default();
    let mut shapes: Vec<Shape<'a>> = Vec::new();
    for (fact, arguments) in facts {
        let Fact::Arguments(arguments) = arguments else {
            continue;
        };
        if arguments.shape.len() <= MAX_ARGUMENTS {
            shapes.push(words.shape(fact, arguments, how));
        }
    }
    for place in 0..MAX_ARGUMENTS {
        for alike in alike(&shapes, place, |_| true) {
            for shape in alike.iter().copied() {
                if let Some(shape) = shapes.get_mut(shape) {
                    if alike.len() > shape.most {
                        (shape.most, shape.place) = (alike.len(), place);
                    }
                }
            }
        }
    }
    let mut found: BTreeMap<Template, Vec<usize>> = BTreeMap::new();
    for place in 0..MAX_ARGUMENTS {
        for alike in alike(&shapes, place, |shape| shape.place == place) {
            if alike.len() < enough {
                continue;
            }
            let own: Vec<&Shape<'_>> = alike.iter().filter_map(|s| shapes.get(*s)).collect();
            if let Some(template) = own.first().and_then(|s| s.template(place, &words)) {
                found.insert(template, own.iter().map(|shape| shape.fact).collect());
            }
        }
    }
    found.into_iter().collect()
}

/// The shapes that differ in this place only and hold a file there, for each set of them.
fn alike(
    shapes: &[Shape<'_>],
    place: usize,
    wanted: impl Fn(&Shape<'_>) -> bool,
) -> Vec<Vec<usize>> {
    let mut sets: HashMap<_, Vec<usize>> = HashMap::new();
    for (number, shape) in shapes.iter().enumerate().filter(|(_, shape)| wanted(shape)) {
        let Some(Word {
            open: Some(open), ..
        }) = shape.words.get(place)
        else {
            continue;
        };
        let mut exact: Vec<usize> = shape.words.iter().map(|word| word.exact).collect();
        if let Some(exact) = exact.get_mut(place) {
            *exact = *open;
        }
        let key = (&shape.arguments.path, shape.arguments.phase, exact);
        sets.entry(key).or_default().push(number);
    }
    sets.into_values().collect()
}

/// A list of arguments by the numbers of its words.
struct Shape<'a> {
    fact: usize,
    arguments: &'a Arguments,
    words: Vec<Word>,
    /// The place that can be open for most shapes, and how many those are.
    place: usize,
    most: usize,
}

impl Shape<'_> {
    /// The template with this place open.
    fn template(&self, place: usize, words: &Words) -> Option<Template> {
        let shape = self.words.iter().enumerate().map(|(i, word)| {
            let number = if i == place { word.open? } else { word.exact };
            words.all.get(number).cloned()
        });
        Some(Template::Arguments {
            path: self.arguments.path.clone(),
            shape: shape.collect::<Option<_>>()?,
            phase: self.arguments.phase,
        })
    }
}

/// One argument: its own number, and that of what stands for all files like it.
#[derive(Clone, Copy)]
struct Word {
    exact: usize,
    open: Option<usize>,
}

/// Every argument and what stands for it, once.
#[derive(Default)]
struct Words {
    all: Vec<ArgumentTemplate>,
    numbers: HashMap<ArgumentTemplate, usize>,
    /// Exact words that were looked at, by their number.
    known: HashMap<usize, Word>,
}

impl Words {
    fn shape<'a>(
        &mut self,
        fact: usize,
        arguments: &'a Arguments,
        how: &Generalisation,
    ) -> Shape<'a> {
        let mut words = Vec::with_capacity(arguments.shape.len());
        for text in &arguments.shape {
            let exact = self.number(ArgumentTemplate::Exact(text.clone()));
            let word = match self.known.get(&exact) {
                Some(word) => *word,
                None => {
                    let open = argument::open(text, Some(&how.homes));
                    let open = open.map(|open| self.number(open));
                    Word { exact, open }
                }
            };
            self.known.insert(exact, word);
            words.push(word);
        }
        Shape {
            fact,
            arguments,
            words,
            place: 0,
            most: 0,
        }
    }

    fn number(&mut self, word: ArgumentTemplate) -> usize {
        if let Some(number) = self.numbers.get(&word) {
            return *number;
        }
        let number = self.all.len();
        self.all.push(word.clone());
        self.numbers.insert(word, number);
        number
    }
}
