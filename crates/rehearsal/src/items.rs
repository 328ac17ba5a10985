//! A table's items under DynamoDB's own expressions, as far as our definition writes them: what is rehearsed is what is deployed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Attributes by their names, each as DynamoDB writes it: `{"S": "…"}`, `{"N": "1"}`.
pub(crate) type Item = BTreeMap<String, Value>;

/// Words that DynamoDB keeps for itself, of those that our tables have for attributes.
const RESERVED: [&str; 3] = ["owner", "status", "error"];

/// Why an item was not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The condition does not hold.
    Condition,
    /// An expression that can't be read.
    Malformed(String),
}

/// The item after `UpdateItem` with these parameters.
pub(crate) fn update(before: Option<&Item>, parameters: &Value) -> Result<Item, Refused> {
    if let Some(condition) = parameters["ConditionExpression"].as_str() {
        let mut reader = Reader::new(condition, before, parameters);
        let holds = reader.either().and_then(|holds| reader.end().map(|()| holds)).map_err(Refused::Malformed)?;
        if !holds {
            return Err(Refused::Condition);
        }
    }
    let key = parameters["Key"].as_object().into_iter().flatten();
    let mut after: Item = before.cloned().unwrap_or_default();
    after.extend(key.map(|(name, value)| (name.clone(), value.clone())));
    let expression = parameters["UpdateExpression"].as_str().unwrap_or_default();
    Reader::new(expression, before, parameters).change(&mut after).map_err(Refused::Malformed)?;
    Ok(after)
}

/// Reads an expression, and says what it comes to on the item as it was.
struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
    item: Option<&'a Item>,
    parameters: &'a Value,
}

impl<'a> Reader<'a> {
    fn new(expression: &'a str, item: Option<&'a Item>, parameters: &'a Value) -> Self {
        Self { words: words(expression), at: 0, item, parameters }
    }

    fn peek(&self) -> &'a str {
        self.words.get(self.at).copied().unwrap_or_default()
    }

    fn word(&mut self) -> &'a str {
        let word = self.peek();
        self.at += 1;
        word
    }

    /// Whether this is the next word; it is read then.
    fn takes(&mut self, word: &str) -> bool {
        let found = self.peek().eq_ignore_ascii_case(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        if self.takes(word) { Ok(()) } else { Err(format!("«{}» stands where «{word}» must", self.peek())) }
    }

    fn end(&self) -> Result<(), String> {
        if self.at >= self.words.len() { Ok(()) } else { Err(format!("nobody knows what «{}» is for", self.peek())) }
    }

    // Conditions. What stands after a decided part is read all the same.

    fn either(&mut self) -> Result<bool, String> {
        let mut holds = self.both()?;
        while self.takes("OR") {
            holds |= self.both()?;
        }
        Ok(holds)
    }

    fn both(&mut self) -> Result<bool, String> {
        let mut holds = self.single()?;
        while self.takes("AND") {
            holds &= self.single()?;
        }
        Ok(holds)
    }

    fn single(&mut self) -> Result<bool, String> {
        if self.takes("(") {
            let holds = self.either()?;
            self.expect(")")?;
            return Ok(holds);
        }
        for (function, wanted) in [("attribute_exists", true), ("attribute_not_exists", false)] {
            if self.takes(function) {
                self.expect("(")?;
                let name = self.name()?;
                self.expect(")")?;
                return Ok(self.attribute(&name).is_some() == wanted);
            }
        }
        let left = self.operand()?;
        self.expect("=")?;
        let right = self.operand()?;
        Ok(left.is_some() && left == right)
    }

    fn operand(&mut self) -> Result<Option<Value>, String> {
        if self.takes("if_not_exists") {
            self.expect("(")?;
            let name = self.name()?;
            self.expect(",")?;
            let otherwise = self.operand()?;
            self.expect(")")?;
            return Ok(self.attribute(&name).or(otherwise));
        }
        if !self.peek().starts_with(':') {
            let name = self.name()?;
            return Ok(self.attribute(&name));
        }
        let word = self.word();
        let value = self.parameters["ExpressionAttributeValues"].get(word);
        value.cloned().map(Some).ok_or_else(|| format!("{word} has no value"))
    }

    fn name(&mut self) -> Result<String, String> {
        let word = self.word();
        if word.starts_with('#') {
            let name = self.parameters["ExpressionAttributeNames"][word].as_str();
            return name.map(str::to_owned).ok_or_else(|| format!("{word} has no name"));
        }
        if word.is_empty() || RESERVED.contains(&word) || !word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            return Err(format!("«{word}» is no attribute's name"));
        }
        Ok(word.to_owned())
    }

    fn attribute(&self, name: &str) -> Option<Value> {
        self.item?.get(name).cloned()
    }

    // Updates.

    fn change(&mut self, after: &mut Item) -> Result<(), String> {
        while self.at < self.words.len() {
            if self.takes("SET") {
                loop {
                    let name = self.name()?;
                    self.expect("=")?;
                    let value = self.operand()?.ok_or_else(|| format!("there is nothing to set {name} to"))?;
                    after.insert(name, value);
                    if !self.takes(",") {
                        break;
                    }
                }
            } else if self.takes("REMOVE") {
                loop {
                    let name = self.name()?;
                    after.remove(&name);
                    if !self.takes(",") {
                        break;
                    }
                }
            } else {
                return Err(format!("«{}» is no clause", self.peek()));
            }
        }
        Ok(())
    }
}

fn words(expression: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for part in expression.split_whitespace() {
        let mut rest = part;
        while let Some(at) = rest.find(['(', ')', ',', '=']) {
            words.extend([&rest[..at], &rest[at..=at]].into_iter().filter(|word| !word.is_empty()));
            rest = &rest[at + 1..];
        }
        words.extend(Some(rest).filter(|word| !word.is_empty()));
    }
    words
}

/// What `GetItem` answers.
pub(crate) fn found(item: Option<&Item>) -> Value {
    item.map_or_else(|| json!({}), |item| json!({"Item": item}))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(update: &str, condition: Option<&str>) -> Value {
        let mut parameters = json!({
            "Key": {"run_date": {"S": "2026-11-20"}},
            "UpdateExpression": update,
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":me": {"S": "me"}, ":one": {"N": "1"}, ":two": {"N": "2"}},
        });
        if let Some(condition) = condition {
            parameters["ConditionExpression"] = condition.into();
        }
        parameters
    }

    fn row(owner: &str) -> Item {
        update(None, &parameters("SET #owner = :me", None))
            .map(|row| row.into_iter().chain([("owner".to_owned(), json!({"S": owner}))]).collect())
            .unwrap()
    }

    #[test]
    fn what_is_set_stands_beside_the_key_and_what_is_removed_is_gone() {
        let made = update(None, &parameters("SET #owner = :me, claim = if_not_exists(claim, :one)", None)).unwrap();
        assert_eq!(json!(made), json!({"run_date": {"S": "2026-11-20"}, "owner": {"S": "me"}, "claim": {"N": "1"}}));
        let again = update(Some(&made), &parameters("SET claim = if_not_exists(claim, :two) REMOVE #owner, nothing", None)).unwrap();
        assert_eq!(json!(again), json!({"run_date": {"S": "2026-11-20"}, "claim": {"N": "1"}}));
    }

    #[test]
    fn a_condition_is_judged_on_the_item_as_it_was() {
        let holds = |condition: &str, item: Option<&Item>| match update(item, &parameters("SET claim = :two", Some(condition))) {
            Ok(_) => true,
            Err(Refused::Condition) => false,
            Err(Refused::Malformed(what)) => panic!("{condition}: {what}"),
        };
        let (mine, theirs) = (row("me"), row("them"));
        let free_or_mine = "attribute_not_exists(run_date) OR #owner = :me";
        assert!(holds(free_or_mine, None) && holds(free_or_mine, Some(&mine)) && !holds(free_or_mine, Some(&theirs)));
        assert!(!holds("#owner = :me AND claim = :two", Some(&mine)), "what is absent equals nothing");
        assert!(!holds("attribute_exists(claim) AND (#owner = :me OR claim = :one)", Some(&mine)), "AND binds more than OR");
    }

    #[test]
    fn what_dynamodb_does_not_take_is_refused() {
        let refused = |update_text: &str, condition: Option<&str>| {
            matches!(update(Some(&row("me")), &parameters(update_text, condition)), Err(Refused::Malformed(_)))
        };
        assert!(refused("SET owner = :me", None), "a reserved word needs a name");
        assert!(refused("SET #other = :me", None) && refused("SET claim = :nothing", None) && refused("ADD claim :one", None));
        assert!(refused("SET claim = :one", Some("#owner = :me claim")) && refused("SET claim = :one", Some("(#owner = :me")));
    }
}
