//! Reads calls.

use serde_json::Value;

use super::function::Function;
use super::template::Pieces;
use super::{Argument, Call};
use crate::jsonpath::Path;

/// «You can nest up to 10 intrinsic functions within a field in your workflows.»
const MOST_CALLS: usize = 10;

pub(super) fn call(text: &str) -> Result<Call, String> {
    let mut reader = Reader { text, at: 0, calls: 0 };
    reader.space();
    let call = reader.call()?;
    reader.space();
    if reader.at == text.len() { Ok(call) } else { Err(format!("{:?} isn't expected after a call", reader.rest())) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    calls: usize,
}

impl<'a> Reader<'a> {
    fn call(&mut self) -> Result<Call, String> {
        self.calls += 1;
        if self.calls > MOST_CALLS {
            return Err(format!("a field holds {MOST_CALLS} intrinsic functions at most"));
        }
        let rest = self.rest();
        let name = &rest[..rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.').unwrap_or(rest.len())];
        let function = Function::named(name).ok_or_else(|| format!("{name:?} is no intrinsic function"))?;
        self.at += name.len();
        self.space();
        self.expect('(')?;
        let mut arguments = Vec::new();
        self.space();
        if !self.take(')') {
            loop {
                self.space();
                arguments.push(self.argument(function, arguments.is_empty())?);
                self.space();
                if !self.take(',') {
                    break;
                }
            }
            self.expect(')')?;
        }
        Ok(Call { function, arguments })
    }

    fn argument(&mut self, function: Function, first: bool) -> Result<Argument, String> {
        match self.peek() {
            Some('\'') => {
                let text = self.quoted()?;
                Ok(if function == Function::Format && first {
                    Argument::Template(Pieces::parse(text))
                } else {
                    Argument::Literal(Value::String(unescaped(text)).into())
                })
            }
            Some('$') => self.path().map(Argument::Path),
            Some('S') => self.call().map(Argument::Call),
            _ => self.literal().map(Argument::Literal),
        }
    }

    /// What stands in quotes, its escapes still in it: only those of a quote, a brace and a backslash itself are any.
    fn quoted(&mut self) -> Result<&'a str, String> {
        self.at += 1;
        let rest = self.rest();
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '\'' => {
                    self.at += at + 1;
                    return Ok(&rest[..at]);
                }
                '\\' if !matches!(letters.next(), Some((_, '\'' | '{' | '}' | '\\'))) => {
                    return Err("a backslash stands before a quote, a brace or a backslash only".to_owned());
                }
                _ => {}
            }
        }
        Err("a quote isn't closed".to_owned())
    }

    /// Up to the comma or parenthesis that belongs to the call, not to a filter or a name in the path.
    fn path(&mut self) -> Result<Path, String> {
        let rest = self.rest();
        let mut depth = 0_usize;
        let mut quote = None;
        let mut end = rest.len();
        for (at, letter) in rest.char_indices() {
            match (quote, letter) {
                (Some(open), letter) if letter == open => quote = None,
                (None, '\'' | '"') => quote = Some(letter),
                (None, '(' | '[') => depth += 1,
                (None, ',' | ')') if depth == 0 => {
                    end = at;
                    break;
                }
                (None, ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.at += end;
        Path::parse(rest[..end].trim_end())
    }

    fn literal(&mut self) -> Result<crate::value::Json, String> {
        let rest = self.rest();
        let length = rest.find(|letter: char| letter.is_whitespace() || matches!(letter, ',' | '(' | ')')).unwrap_or(rest.len());
        let word = &rest[..length];
        self.at += length;
        match serde_json::from_str::<Value>(word) {
            Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => Ok(value.into()),
            _ => Err(format!("{word:?} is no argument")),
        }
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

    fn take(&mut self, letter: char) -> bool {
        let there = self.peek() == Some(letter);
        if there {
            self.at += letter.len_utf8();
        }
        there
    }

    fn expect(&mut self, letter: char) -> Result<(), String> {
        if self.take(letter) { Ok(()) } else { Err(format!("{letter} is missing at {} of {}", self.at, self.text)) }
    }
}

fn unescaped(text: &str) -> String {
    let mut letters = text.chars();
    let mut unescaped = String::with_capacity(text.len());
    while let Some(letter) = letters.next() {
        unescaped.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    unescaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::call;

    #[test]
    fn calls_are_read_with_everything_that_they_may_hold() {
        for text in [
            "States.UUID()",
            " States.UUID( ) ",
            "States.Array( 1 , -2.5e3,'it\\'s', true,null,$, $$.State.Name, $v.a, States.UUID())",
            "States.ArrayLength($.list[?(@.name == 'a, (b)' && (@.n > 1))].x)",
            "States.ArrayLength($['a)', 'b,'])",
            "States.Format('{}.{}.{}', States.ArrayGetItem(States.StringSplit(States.ArrayGetItem(States.StringSplit($.ImageRecipe.Arn, '/'), 2), '.'), 0), States.ArrayGetItem(States.StringSplit(States.ArrayGetItem(States.StringSplit($.ImageRecipe.Arn, '/'), 2), '.'), 1))",
        ] {
            assert!(call(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_call_is_refused() {
        for text in [
            "",
            "States.UUID",
            "States.UUID(",
            "States.UUID() x",
            "States.Uuid()",
            "states.UUID()",
            "UUID()",
            "States.Array(1,)",
            "States.Array(,1)",
            "States.Array('x)",
            "States.Array(x)",
            "States.Array([1])",
            "States.Array({})",
            "States.Array(\"x\")",
            "States.Array($.)",
            "States.Array(1 2)",
            r#"States.Array('\"')"#,
            r"States.Array('\n')",
            r"States.Array('\')",
            "States.StringSplit('a', ',')[0]",
        ] {
            assert!(call(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ten_functions_are_the_most() {
        let nested = |depth: usize| format!("{}1{}", "States.Array(".repeat(depth), ")".repeat(depth));
        assert!(call(&nested(10)).is_ok());
        assert!(call(&nested(11)).is_err());
        assert!(call(&nested(10_000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r"(States\.(Array|Format|UUID|Hash)\()?[$.\[\]a'(),: 1{}\\é?@=]{0,24}\)?") {
            let _ = call(&text);
        }

        #[test]
        fn a_quoted_text_stands_for_itself(text in "[^\\\\']{0,12}") {
            let read = call(&format!("States.Array('{text}')"));
            prop_assert!(read.is_ok());
        }
    }
}
