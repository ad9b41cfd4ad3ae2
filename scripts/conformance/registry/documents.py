"""Reads a published version's documents with the readers of those who wrote the formats.

usage: documents.py cyclonedx|slsa|card|signature-loop DIRECTORY PUBLIC_KEY

signature-loop verifies model.sig once for each line of standard input, and answers "accepted" or "refused: why".
"""

import json
import pathlib
import sys


def cyclonedx(directory, _):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = (directory / "ml-bom.json").read_text()
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    assert error is None, error
    card = json.loads(text)["metadata"]["component"]["modelCard"]
    return f"{len(card['quantitativeAnalysis']['performanceMetrics'])} metrics, {len(card['considerations']['technicalLimitations'])} limits"


def slsa(directory, _):
    from google.protobuf import json_format
    from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
    from in_toto_attestation.v1 import statement, statement_pb2

    parsed = json_format.Parse((directory / "provenance.json").read_text(), statement_pb2.Statement())
    statement.Statement.copy_from_pb(parsed).validate()
    predicate = json_format.ParseDict(json_format.MessageToDict(parsed.predicate), provenance_pb2.Provenance())
    dependencies = predicate.build_definition.resolved_dependencies
    assert {entry.name for entry in dependencies} >= {"train", "checkpoint"}, dependencies
    digests = sum(bool(entry.digest) for entry in dependencies)
    return f"{predicate.build_definition.build_type}, {len(dependencies)} dependencies, {digests} with digests"


def card(directory, _):
    from huggingface_hub import ModelCard

    data = ModelCard.load(directory / "README.md").data
    assert data.model_name == "digits" and data.eval_results, data
    return ", ".join(f"{result.metric_type} {result.metric_value}" for result in data.eval_results)


def signature_loop(directory, public_key):
    from model_signing import verifying

    for _ in sys.stdin:
        try:
            verifying.Config().use_elliptic_key_verifier(public_key=public_key).verify(directory, directory / "model.sig")
            answer = "accepted"
        except Exception as error:  # noqa: BLE001: any of them is a refusal
            answer = f"refused: {error}"
        print(answer.replace("\n", " "), flush=True)
    return ""


READERS = {"cyclonedx": cyclonedx, "slsa": slsa, "card": card, "signature-loop": signature_loop}

if __name__ == "__main__":
    print(READERS[sys.argv[1]](pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])))
