"""Holds a published package against independent readers: numpy for the baselines, cryptography for model.sig, PyYAML for
the card, and one file of it against another.

Usage: check_package.py FOLDER, as promotion_test leaves it: FOLDER/models/digits/1, FOLDER/key.pub and
FOLDER/evaluation.safetensors.
"""

import base64
import hashlib
import json
import pathlib
import sys

import numpy as np
import yaml
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from load_package import read_safetensors


def check_summary(summary, values):
    finite = values[np.isfinite(values)].astype(np.float64)
    assert summary["count"] == finite.size and summary["missing"] == np.isnan(values).sum(), summary["name"]
    for name, wanted in (("min", finite.min()), ("max", finite.max()), ("mean", finite.mean()), ("std", finite.std())):
        np.testing.assert_allclose(summary[name], wanted, rtol=1e-12, atol=1e-12)
    quantiles = summary["quantiles"]
    np.testing.assert_allclose(quantiles["values"], np.quantile(finite, quantiles["levels"]), rtol=1e-12)
    if "values" in summary:
        distinct, counts = np.unique(finite, return_counts=True)
        assert summary["values"] == {"values": distinct.tolist(), "counts": counts.tolist()}, summary["name"]
        return
    edges = summary["histogram"]["edges"]
    np.testing.assert_allclose(edges, np.unique(np.quantile(finite, np.linspace(0, 1, 21))), rtol=1e-12)
    assert np.histogram(finite, edges)[0].tolist() == summary["histogram"]["counts"], summary["name"]


def check_baseline(package, rows):
    baseline = json.loads((package / "baseline.json").read_text())
    inputs = rows["inputs"].reshape(len(rows["inputs"]), -1)
    columns = baseline["inputs"][0]["columns"]
    assert len(columns) == inputs.shape[1], len(columns)
    for column, values in zip(columns, inputs.T):
        check_summary(column, values)
    logits = rows["reference"].astype(np.float64)
    classes = logits.shape[1]
    assert baseline["classes"]["labels"] == np.bincount(rows["labels"], minlength=classes).tolist()
    assert baseline["classes"]["predictions"] == np.bincount(logits.argmax(1), minlength=classes).tolist()
    right = rows["labels"][rows["labels"] == logits.argmax(1)]
    assert baseline["classes"]["right"] == np.bincount(right, minlength=classes).tolist()
    calibration = baseline["calibration"]
    assert sum(calibration["rows"]) == len(rows["labels"]) and sum(calibration["right"]) == len(right), calibration
    assert len(calibration["edges"]) == len(calibration["rows"]) + 1, calibration
    odds = np.exp(logits - logits.max(1, keepdims=True))
    # The engine's logits are as near to LibTorch's as parity wants.
    np.testing.assert_allclose(baseline["confidence"]["mean"], (1 / odds.sum(1)).mean(), rtol=1e-4)
    return len(columns)


def check_signature(package, public_key):
    bundle = json.loads((package / "model.sig").read_text())
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"]
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    key = serialization.load_pem_public_key(public_key)
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), signed, ec.ECDSA(hashes.SHA256()))
    assert bundle["verificationMaterial"]["publicKey"]["hint"] == hashlib.sha256(public_key).hexdigest()
    listed = {entry["name"]: entry["digest"] for entry in json.loads(payload)["predicate"]["resources"]}
    there = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in package.iterdir()}
    del there["model.sig"]
    assert listed == there, (listed, there)
    return listed


def main():
    folder = pathlib.Path(sys.argv[1])
    package = folder / "models" / "digits" / "1"
    columns = check_baseline(package, read_safetensors(folder / "evaluation.safetensors"))
    digests = check_signature(package, (folder / "key.pub").read_bytes())

    provenance = json.loads((package / "provenance.json").read_text())
    assert provenance["subject"][0]["digest"]["sha256"] == digests["model.onnx"]
    dependencies = {entry["name"]: entry for entry in provenance["predicate"]["buildDefinition"]["resolvedDependencies"]}
    assert dependencies["test"]["digest"] == {"sha256": "ab" * 32}, dependencies
    assert "digest" not in dependencies["train"], dependencies
    model = json.loads((package / "ml-bom.json").read_text())["metadata"]["component"]
    assert model["hashes"][0]["content"] == digests["model.onnx"]
    front = (package / "README.md").read_text().split("---\n")[1]
    (result,) = yaml.safe_load(front)["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "name": "test/accuracy", "value": 1.0}], result
    print(f"{columns} columns of the baseline are numpy's; model.sig holds for {len(digests)} files")


main()
