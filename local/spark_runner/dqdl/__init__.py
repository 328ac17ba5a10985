"""DQDL, the rules of Glue Data Quality, on Spark: `parse` reads a ruleset, `Evaluator` judges a table by it."""

from spark_runner.dqdl.evaluation import Evaluator, Outcome, RuleOutcome
from spark_runner.dqdl.syntax import RulesetSyntaxError, parse

__all__ = ["Evaluator", "Outcome", "RuleOutcome", "RulesetSyntaxError", "parse"]
