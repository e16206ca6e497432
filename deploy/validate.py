"""Holds the compose file and the Kubernetes manifests against strict schemas. Needs the packages of tests/requirements.txt."""

from __future__ import annotations

import sys
from pathlib import Path
from string import Template

import kubernetes_validate
import yaml
from compose_spec import PyCompose

HERE = Path(__file__).parent

#: Of Kubernetes: the oldest and the newest that the manifests are for.
VERSIONS = ["1.31", "1.37"]


def compose_faults() -> list[str]:
    """Faults of the compose file, with the values of its `.env` put in."""
    folder = HERE / "compose"
    lines = (folder / ".env").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    try:
        PyCompose.from_yaml(Template((folder / "docker-compose.yml").read_text()).substitute(values))
    except (KeyError, ValueError) as fault:
        return [f"docker-compose.yml: {fault}"]
    return []


def manifests() -> list[tuple[str, dict]]:
    """All that `kubectl apply --kustomize` would send, by the name of its file."""
    folder = HERE / "kubernetes"
    resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [(name, document) for name in resources for document in yaml.safe_load_all((folder / name).read_text())]


def kubernetes_faults() -> list[str]:
    faults = []
    for name, document in manifests():
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as fault:
                where = ".".join(str(key) for key in fault.path)
                faults.append(f"{name}: {document['kind']} {where}: {fault.message} ({version})")
    return faults


def main() -> int:
    faults = compose_faults() + kubernetes_faults()
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
