"""Write the template as `sam build` would leave it: function code replaced by what was built, paths absolute.

Usage: built_template.py TEMPLATE OUTPUT NAME=ZIP [NAME=ZIP ...]

`sam build` would build the functions once more, in a folder of its own. The local night has them from cargo already, so this
does the rest of that command's work, with the SAM CLI's own YAML reader: nothing but `CodeUri` and the paths' base changes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_dump, yaml_parse


def built(template: dict[str, Any], base: Path, packages: dict[str, Path]) -> dict[str, Any]:
    """The template with each Rust function's `CodeUri` set to its package, and other local files made absolute."""
    missing = set(packages)
    for logical_id, resource in template["Resources"].items():
        if not isinstance(resource, dict):
            continue  # An Fn::ForEach loop: it holds no code.
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Serverless::Function":
                binary = resource["Metadata"]["BuildProperties"]["Binary"]
                if binary not in packages:
                    raise SystemExit(f"{logical_id}: there is no package for the binary {binary}")
                properties["CodeUri"] = str(packages[binary])
                missing.discard(binary)
            case "AWS::Serverless::StateMachine":
                properties["DefinitionUri"] = str((base / properties["DefinitionUri"]).resolve())
            case "AWS::CloudFormation::Stack":
                # What its own template names lies beside that template.
                properties["TemplateURL"] = str((base / properties["TemplateURL"]).resolve())
            case "AWS::Glue::Job":
                command = properties["Command"]
                command["ScriptLocation"] = str((base / command["ScriptLocation"]).resolve())
    if missing:
        raise SystemExit(f"the template has no function for {', '.join(sorted(missing))}")
    return template


def main(arguments: list[str]) -> None:
    source, output, *pairs = arguments
    packages = {name: Path(path) for name, path in (pair.split("=", 1) for pair in pairs)}
    template = yaml_parse(Path(source).read_text(encoding="utf-8"))
    written = yaml_dump(built(template, Path(source).resolve().parent, packages))
    Path(output).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
