"""What a record says of the things that were run, rather than of how they did."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hilbench import __version__
from hilbench.catalog.data import Samples
from hilbench.images.image import Image
from hilbench.measure.memory import parts_bytes
from hilbench.plan import Setting
from hilbench.provenance import host_facts, source_facts
from hilbench.records import record as rec


def _variant(setting: Setting) -> str:
    """Return the framework with the options that are not its defaults, such as `tvm` or `tvm:codegen=c`."""
    usual = setting.framework.check_options({})
    chosen = (f"{key}={value}" for key, value in sorted(setting.options.items()) if usual.get(key) != value)
    return ":".join([setting.plan.framework, *chosen])


def facts(setting: Setting, image: Image, samples: Samples, attached: Mapping[str, str]) -> dict[str, Any]:
    """Return what a record says of the things that were run, rather than of how they did."""
    board, manifest = setting.plan.board, image.manifest
    compiler = manifest.compiler
    versions = manifest.framework.versions
    return {
        "hilbench": __version__,
        "suite": setting.suite.suite,
        "task": setting.task.id,
        "board": rec.BoardFacts(
            id=board.id,
            name=board.name,
            core=board.core,
            clock_hz=board.clock_hz,
            counter=board.counter,
            power=board.power,
        ),
        "target": rec.TargetFacts(
            kind=setting.target.name,
            version=setting.target.version(),
            stand_in=board.stand_in or None,
            silicon=setting.target.silicon,
            attached=dict(attached),
        ),
        "framework": rec.FrameworkFacts(
            name=manifest.framework.name,
            variant=_variant(setting),
            version=next(iter(versions.values()), ""),
            options=manifest.framework.options,
            versions=versions,
        ),
        "model": rec.ModelFacts(
            name=manifest.model.name,
            sha256=manifest.model.sha256,
            macs=manifest.model.macs,
            operators=manifest.model.operators,
        ),
        "tensors": rec.Tensors(inputs=manifest.model.inputs, outputs=manifest.model.outputs),
        "scored_by": setting.task.accuracy,
        "dataset": rec.DatasetFacts(
            name=samples.name,
            sha256=samples.sha256,
            samples=len(samples.inputs),
            of=samples.of,
            inputs_sha256=hashlib.sha256(b"".join(samples.inputs)).hexdigest(),
        ),
        "bars": setting.task.bars(whole=len(samples.inputs) == samples.of),
        "image": rec.ImageFacts(
            sha256=image.sha256,
            build_id=manifest.build_id,
            compiler=compiler.version if compiler else None,
            flags=compiler.flags if compiler else (),
            parts_bytes=parts_bytes(image.elf) if image.elf else {},
        ),
        "host": host_facts(),
        "source": source_facts(setting.plan.suite),
    }
