//! The templates of `States.Format`.

use serde_json::Value;

use super::Problem;
use super::function::Function;
use crate::value::Json;

/// The texts between the placeholders: one more than there are placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces(Vec<String>);

impl Pieces {
    /// Reads a template whose escapes are still in it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let unmatched =
            |open: char, close: char| Err(format!("Invalid template in States.Format: matching '{close}' not found for '{open}'."));
        let mut pieces = vec![String::new()];
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let letter = match letter {
                '\\' => letters.next().unwrap_or(letter),
                '{' if letters.next() == Some('}') => {
                    pieces.push(String::new());
                    continue;
                }
                '{' => return unmatched('{', '}'),
                '}' => return unmatched('}', '{'),
                letter => letter,
            };
            pieces.last_mut().expect("there is one from the start").push(letter);
        }
        Ok(Self(pieces))
    }

    /// Reads a template that a path or a call gave.
    pub(super) fn of(template: &Json) -> Result<Self, Problem> {
        let text = template.value().as_str().ok_or_else(|| Function::Format.refuses())?;
        Self::parse(text).map_err(Problem::Told)
    }

    /// Texts are put in as they are, numbers, booleans and null as JSON; there is no form for anything else.
    pub(super) fn fill(&self, arguments: &[Json]) -> Result<Json, Problem> {
        if arguments.len() + 1 != self.0.len() {
            let problem = "Invalid arguments in States.Format: number of arguments do not match the occurrences of {}.";
            return Err(Problem::Told(problem.to_owned()));
        }
        let mut filled = self.0[0].clone();
        for (argument, piece) in arguments.iter().zip(&self.0[1..]) {
            match argument.value() {
                Value::String(text) => filled.push_str(text),
                Value::Object(_) | Value::Array(_) => return Err(Function::Format.refuses()),
                _ => filled.push_str(argument.text()),
            }
            filled.push_str(piece);
        }
        Ok(Value::String(filled).into())
    }
}
