//! Reads paths.

use std::rc::Rc;

use serde_json::Value;

use super::filter::{Filter, Operand, Relation};
use super::{Path, Root, Step};

/// Deeper nested parentheses are nobody's filter.
const DEEPEST: usize = 32;

pub(super) fn path(text: &str) -> Result<Path, String> {
    let mut reader = Reader { text, at: 0 };
    let root = reader.root()?;
    let steps = reader.steps(End::OfText)?;
    Ok(Path { text: text.into(), root, steps })
}

/// Where a path is over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    OfText,
    /// Inside a filter: at whatever can't be part of it.
    InFilter,
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn root(&mut self) -> Result<Root, String> {
        if !self.take("$") {
            return Err("a path begins with $".to_owned());
        }
        if self.take("$") {
            return Ok(Root::Context);
        }
        let rest = self.rest();
        let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        if length == 0 {
            return Ok(Root::Input);
        }
        if rest.starts_with(|letter: char| letter.is_numeric()) {
            return Err(format!("a variable's name doesn't begin with a digit: {}", self.text));
        }
        self.at += length;
        Ok(Root::Variable(rest[..length].into()))
    }

    fn steps(&mut self, end: End) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            let descends = self.take("..");
            if descends {
                steps.push(Step::Descent);
            }
            let dot = descends || self.take(".");
            match self.peek() {
                Some('[') => {
                    self.at += 1;
                    steps.push(self.bracket()?);
                }
                Some('*') if dot => {
                    self.at += 1;
                    steps.push(Step::Wildcard);
                }
                _ if dot => steps.push(Step::Property(self.name(end)?)),
                None => return Ok(steps),
                Some(_) if end == End::InFilter => return Ok(steps),
                Some(other) => return Err(self.unexpected(other)),
            }
        }
    }

    /// A name after a dot. Functions, as newer versions of the library have them, are read as names that nothing has.
    fn name(&mut self, end: End) -> Result<Rc<str>, String> {
        let rest = self.rest();
        let stops = |letter: char| {
            matches!(letter, '.' | '[' | ']' | '(' | ')' | '\'' | '"' | ',' | '*' | '?' | '@')
                || letter.is_whitespace()
                || (end == End::InFilter && matches!(letter, '=' | '!' | '<' | '>' | '&' | '|' | '~'))
        };
        let mut length = rest.find(stops).unwrap_or(rest.len());
        if length == 0 {
            return Err(match rest.chars().next() {
                Some(other) => self.unexpected(other),
                None => format!("a name is missing at the end of {}", self.text),
            });
        }
        if rest[length..].starts_with("()") {
            length += 2;
        }
        self.at += length;
        Ok(rest[..length].into())
    }

    /// What stands in brackets; the first is read already.
    fn bracket(&mut self) -> Result<Step, String> {
        self.space();
        let step = match self.peek() {
            Some('\'' | '"') => self.names()?,
            Some('*') => {
                self.at += 1;
                Step::Wildcard
            }
            Some('?') => {
                self.at += 1;
                self.space();
                self.expect("(")?;
                let filter = self.any(0)?;
                self.space();
                self.expect(")")?;
                Step::Filter(filter)
            }
            Some('(') => return Err("script expressions such as [(@.length-1)] aren't supported".to_owned()),
            _ => self.indices()?,
        };
        self.space();
        self.expect("]")?;
        Ok(step)
    }

    fn names(&mut self) -> Result<Step, String> {
        let mut names: Vec<Rc<str>> = Vec::new();
        loop {
            self.space();
            names.push(self.quoted()?.into());
            self.space();
            if !self.take(",") {
                break;
            }
        }
        Ok(if names.len() == 1 { Step::Property(names.remove(0)) } else { Step::Properties(names) })
    }

    /// A name in quotes, as it stands: a backslash is a backslash, and a quote ends it where a bracket or a comma follows.
    fn quoted(&mut self) -> Result<&'a str, String> {
        let Some(quote @ ('\'' | '"')) = self.peek() else {
            return Err(format!("a quoted name is missing in {}", self.text));
        };
        self.at += 1;
        let rest = self.rest();
        let end = rest
            .match_indices(quote)
            .map(|(end, _)| end)
            .find(|end| rest[end + 1..].trim_start().starts_with([']', ',']))
            .ok_or_else(|| format!("a quote isn't closed in {}", self.text))?;
        self.at += end + 1;
        Ok(&rest[..end])
    }

    fn indices(&mut self) -> Result<Step, String> {
        let first = self.number()?;
        self.space();
        if self.take(":") {
            self.space();
            let to = self.number()?;
            self.space();
            if self.peek() == Some(':') {
                return Err("slices with a step aren't supported".to_owned());
            }
            return match (first, to) {
                (None, None) => Err(format!("a slice without bounds in {}", self.text)),
                (from, to) => Ok(Step::Slice { from, to }),
            };
        }
        let missing = || format!("an index, a name, a filter or * is missing in brackets in {}", self.text);
        let first = first.ok_or_else(missing)?;
        let mut indices = vec![first];
        while self.take(",") {
            self.space();
            let index = self.number()?;
            indices.push(index.ok_or_else(|| format!("an index is missing in {}", self.text))?);
            self.space();
        }
        Ok(if indices.len() == 1 { Step::Index(first) } else { Step::Indices(indices) })
    }

    fn number(&mut self) -> Result<Option<i64>, String> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'-').count();
        if length == 0 {
            return Ok(None);
        }
        self.at += length;
        let digits = &rest[..length];
        digits.parse().map(Some).map_err(|_| format!("{digits} is no index"))
    }

    fn any(&mut self, depth: usize) -> Result<Filter, String> {
        let mut filters = vec![self.all(depth)?];
        while self.take_after_space("||") {
            filters.push(self.all(depth)?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::Any(filters) })
    }

    fn all(&mut self, depth: usize) -> Result<Filter, String> {
        let mut filters = vec![self.single(depth)?];
        while self.take_after_space("&&") {
            filters.push(self.single(depth)?);
        }
        Ok(if filters.len() == 1 { filters.remove(0) } else { Filter::All(filters) })
    }

    fn single(&mut self, depth: usize) -> Result<Filter, String> {
        if depth > DEEPEST {
            return Err("a filter is nested too deeply".to_owned());
        }
        self.space();
        if self.rest().starts_with('!') {
            self.at += 1;
            return self.single(depth + 1).map(|filter| Filter::Not(Box::new(filter)));
        }
        if self.take("(") {
            let filter = self.any(depth + 1)?;
            self.space();
            self.expect(")")?;
            return Ok(filter);
        }
        let left = self.operand()?;
        self.space();
        match self.relation()? {
            Some(relation) => {
                self.space();
                Ok(Filter::Compare { left, relation, right: self.operand()? })
            }
            None => Ok(Filter::Exists(left)),
        }
    }

    fn relation(&mut self) -> Result<Option<Relation>, String> {
        // The longer ones first.
        for (sign, relation) in [
            ("==", Relation::Equal),
            ("!=", Relation::Unequal),
            ("<=", Relation::LessOrEqual),
            (">=", Relation::GreaterOrEqual),
            ("<", Relation::Less),
            (">", Relation::Greater),
        ] {
            if self.take(sign) {
                return Ok(Some(relation));
            }
        }
        if self.rest().starts_with("=~") {
            return Err("filtering by regular expressions (=~) isn't supported".to_owned());
        }
        let rest = self.rest();
        let word = &rest[..rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len())];
        if word.is_empty() { Ok(None) } else { Err(format!("the filter operator {word} isn't supported")) }
    }

    fn operand(&mut self) -> Result<Operand, String> {
        if self.take("@") {
            return self.steps(End::InFilter).map(Operand::Node);
        }
        if self.take("$") {
            return self.steps(End::InFilter).map(Operand::Whole);
        }
        self.literal().map(Operand::Literal)
    }

    fn literal(&mut self) -> Result<Value, String> {
        let rest = self.rest();
        if let Some(quote @ ('\'' | '"')) = self.peek() {
            let mut text = String::new();
            let mut letters = rest.char_indices().skip(1);
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '\\' => text.extend(letters.next().map(|(_, letter)| letter)),
                    letter if letter == quote => {
                        self.at += at + 1;
                        return Ok(Value::String(text));
                    }
                    letter => text.push(letter),
                }
            }
            return Err(format!("a quote isn't closed in {}", self.text));
        }
        let length = rest.find(|letter: char| letter.is_whitespace() || matches!(letter, ')' | '&' | '|' | ']')).unwrap_or(rest.len());
        let word = &rest[..length];
        match serde_json::from_str::<Value>(word) {
            Ok(value) if !value.is_object() && !value.is_array() => {
                self.at += length;
                Ok(value)
            }
            _ => Err(format!("{word:?} is nothing that a filter compares")),
        }
    }

    fn unexpected(&self, letter: char) -> String {
        format!("{letter:?} isn't expected at {} of {}", self.at, self.text)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    fn take_after_space(&mut self, token: &str) -> bool {
        let there = self.rest().trim_start().starts_with(token);
        if there {
            self.space();
            self.at += token.len();
        }
        there
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(other) => self.unexpected(other),
            None => format!("{token} is missing at the end of {}", self.text),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Step, path};

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "a",
            " $",
            "$ ",
            "$.",
            "$..",
            "$.a.",
            "$.a..",
            "$.a b",
            "$[",
            "$[]",
            "$[0",
            "$['a]",
            "$['a',]",
            "$[a]",
            "$[0,]",
            "$[:]",
            "$[1:2:3]",
            "$[--1]",
            "$[99999999999999999999]",
            "$[(@.length-1)]",
            "$[?]",
            "$[?()]",
            "$[?(@.a = 1)]",
            "$[?(@.a == )]",
            "$[?(@.a == [1])]",
            "$[?(@.a == 'x)]",
            "$[?(@.a =~ /x/)]",
            "$[?(@.a in ['x'])]",
            "$[?(@.a subsetof ['x'])]",
            "$[?(@.a == 1]",
            "$1",
            "$a-b",
            "$.a'b",
            "$.f(1)",
        ] {
            assert!(path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_filter_can_be_nested_only_so_deep() {
        let nested = |depth: usize| format!("$[?({}@.a{})]", "(".repeat(depth), ")".repeat(depth));
        assert!(path(&nested(20)).is_ok());
        assert!(path(&nested(10_000)).is_err());
        assert!(path(&format!("$[?({}@.a)]", "!".repeat(10_000))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"\$?[$.\[\]a-c0-2'@?()*,: =!<>&|é\\-]{0,24}") {
            if let Ok(path) = path(&text) {
                prop_assert_eq!(path.text(), text);
            }
        }

        #[test]
        fn names_in_brackets_stand_for_themselves(name in r"[^'\],]{1,12}") {
            let read = path(&format!("$['{name}']")).map(|path| path.steps);
            prop_assert!(matches!(read.as_deref(), Ok([Step::Property(read)]) if **read == *name), "{:?}", read);
        }
    }
}
