//! Attributes of whatever produced the events.

use std::collections::BTreeMap;
use std::collections::btree_map;

use crate::error::{Error, ErrorKind, Result};

/// Attributes by name, in the sense and with the names of OpenTelemetry's resources
/// (`k8s.namespace.name`, `container.id`, …).
///
/// Sizes are limited where attributes come in, so a resource never takes much more than two
/// megabytes, whoever wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(BTreeMap<String, String>);

impl Resource {
    /// The most attributes.
    pub const MAX_ATTRIBUTES: usize = 128;
    /// The longest name, in bytes.
    pub const MAX_NAME: usize = 256;
    /// The longest value, in bytes: the longest path fits with U+FFFD for each of its bytes.
    pub const MAX_VALUE: usize = 16 * 1024;

    /// A resource without attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an attribute, replacing its former value.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) -> Result<()> {
        let (name, value) = (name.into(), value.into());
        if name.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "cannot set a resource attribute without a name",
            ));
        }
        let problem = if name.len() > Self::MAX_NAME {
            Some("its name is too long")
        } else if value.len() > Self::MAX_VALUE {
            Some("its value is too long")
        } else if self.0.len() >= Self::MAX_ATTRIBUTES && !self.0.contains_key(&name) {
            Some("there are too many")
        } else {
            None
        };
        if let Some(problem) = problem {
            return Err(Error::new(
                ErrorKind::Limit,
                format!("cannot set a resource attribute: {problem}"),
            ));
        }
        self.0.insert(name, value);
        Ok(())
    }

    /// The value of an attribute.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Every attribute, in the order of names.
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }

    /// How many attributes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no attributes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> IntoIterator for &'a Resource {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The attributes of a [`Resource`], as `(name, value)`.
#[derive(Clone, Debug)]
pub struct Iter<'a>(btree_map::Iter<'a, String, String>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&**name, &**value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_value_in_the_order_of_names() {
        let mut resource = Resource::new();
        resource.insert("b", "1").unwrap();
        resource.insert("a", "2").unwrap();
        resource.insert("b", "").unwrap();
        assert_eq!(resource.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "")]);
        assert_eq!((resource.len(), resource.iter().len()), (2, 2));
        assert_eq!(resource.get("b"), Some(""));
        assert_eq!(resource.get("c"), None);
    }

    #[test]
    fn every_size_is_limited() {
        let kind = |resource: &mut Resource, name: String, value: String| {
            resource.insert(name, value).map_err(|e| e.kind())
        };
        let mut resource = Resource::new();
        let (name, value) = (Resource::MAX_NAME, Resource::MAX_VALUE);
        for (name, value, expected) in [
            (name, value, Ok(())),
            (name + 1, 0, Err(ErrorKind::Limit)),
            (1, value + 1, Err(ErrorKind::Limit)),
            (0, 1, Err(ErrorKind::InvalidInput)),
        ] {
            let result = kind(&mut resource, "n".repeat(name), "v".repeat(value));
            assert_eq!(result, expected);
        }
        for i in 1..Resource::MAX_ATTRIBUTES {
            resource.insert(i.to_string(), "").unwrap();
        }
        let full = resource.clone();
        assert_eq!(
            kind(&mut resource, "one more".into(), String::new()),
            Err(ErrorKind::Limit)
        );
        assert_eq!(resource, full, "what was refused left no trace");
        resource.insert("1", "replaced").unwrap();
        assert_eq!(resource.len(), Resource::MAX_ATTRIBUTES);
    }
}
