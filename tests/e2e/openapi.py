"""Reads docs/admin-api.yaml (the subset of YAML that it is written in) and checks values against its schemas."""

import json
import re

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def scalar(text):
    if text.startswith('"'):
        return json.loads(text)
    if text == "{}":
        return {}
    if text.startswith("["):
        return [scalar(item.strip()) for item in text[1:-1].split(",")]
    if text in ("true", "false"):
        return text == "true"
    return int(text) if re.fullmatch(r"\d+", text) else text


def parse_block(lines, indent):
    """The mapping or list whose lines are indented by `indent`; takes them from `lines`, (indent, text) in reverse."""
    made = None
    while lines and lines[-1][0] == indent:
        _, text = lines.pop()
        if text.startswith("- "):
            made = [] if made is None else made
            lines.append((indent + 2, text[2:]))
            made.append(parse_block(lines, indent + 2))
            continue
        key, _, value = re.fullmatch(r'("[^"]*"|[^":]+):( (.*))?', text).group(1, 2, 3)
        made = {} if made is None else made
        if scalar(key) in made:
            raise ValueError(f"{key} is there twice")
        if value is None:
            value = parse_block(lines, lines[-1][0])
        else:
            value = scalar(value)
        made[scalar(key)] = value
    return made


def parse(text):
    lines = [(len(line) - len(line.lstrip()), line.strip()) for line in text.splitlines()
             if line.strip() and not line.lstrip().startswith("#")]
    lines.reverse()
    made = parse_block(lines, 0)
    if lines:
        raise ValueError(f"not understood: {lines[-1][1]}")
    return made


class Document:
    def __init__(self, text):
        self.root = parse(text)

    def resolve(self, node):
        while "$ref" in node:
            path, node = node["$ref"].removeprefix("#/").split("/"), self.root
            for part in path:
                node = node[part]
        return node

    def operations(self):
        """(operationId, method, path, {status: response})"""
        for path, methods in self.root["paths"].items():
            for method, operation in methods.items():
                responses = {int(status): self.resolve(response) for status, response in operation["responses"].items()}
                yield operation["operationId"], method.upper(), path, responses

    def problems(self, value, schema, where="answer"):
        """What `value` lacks of the schema: sentences."""
        schema = self.resolve(schema)
        if "oneOf" in schema:
            found = [self.problems(value, one, where) for one in schema["oneOf"]]
            fitting = sum(not problems for problems in found)
            return [] if fitting == 1 else [f"{where} is {fitting} of the documented values: {value}"]
        if not isinstance(value, TYPES[schema["type"]]):
            return [f"{where} is not of type {schema['type']}: {value}"]
        if "enum" in schema and value not in schema["enum"]:
            return [f"{where} is {value}, none of {schema['enum']}"]
        problems = [f"{where} has no {key}" for key in schema.get("required", []) if key not in value]
        if isinstance(value, dict):
            properties = schema.get("properties", {})
            problems += [f"{where} has {key}, which is not documented" for key in value if key not in properties]
            for key in value.keys() & properties.keys():
                problems += self.problems(value[key], properties[key], f"{where}.{key}")
        if isinstance(value, list):
            for index, item in enumerate(value):
                problems += self.problems(item, schema["items"], f"{where}[{index}]")
        return problems
