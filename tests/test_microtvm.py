"""microTVM archives: every form that TVM exports runs like the reference, and what is hostile or broken is refused."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench import bench, resources
from hilbench.catalog.core import CORES
from hilbench.errors import BuildError, HilbenchError, ModelError, Unavailable, UnsupportedModel
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.microtvm import MicroTVM, archive
from hilbench.frameworks.microtvm import metadata as reader

from . import dense_model
from .dense_model import needs_tools, plan, suite
from .mlf_builder import library, metadata, tar
from .tflite_builder import Op, T, model

CORE = CORES["cortex-m4f"]


def request(place: Path, folder: Path, data: bytes | None = None, core: str = "cortex-m4f") -> Request:
    path = folder / "dense.tflite"
    path.write_bytes(dense_model.tflite() if data is None else data)
    return Request(Model("dense", path, "0" * 64), CORES[core], {}, {"microtvm": place})


FORMS = [
    *((5, "c", "workspace"), (7, "packed", "workspace"), (7, "c", "mapped"), (7, "c", "constants")),
    *(
        pytest.param(*form, marks=pytest.mark.slow)
        for form in (
            *((5, "packed", "workspace"), (6, "c", "workspace"), (7, "packed", "internal")),
            *((7, "c", "workspace"), (7, "c", "internal"), (7, "c", "external")),
        )
    ),
]


@needs_tools
@pytest.mark.parametrize(("version", "interface", "memory"), FORMS)
def test_every_form_of_archive_runs_like_the_reference(version: int, interface: str, memory: str, tmp_path: Path):
    place = tar(library(tmp_path / "export", version, interface, memory))
    record = bench.run(plan(suite(tmp_path), "microtvm", place))
    assert record.metrics["fidelity"].value == 1.0
    assert record.metrics["arena"].value == {"mapped": 48}.get(memory, 12 + 16)
    assert record.framework.version == ("0.13.0" if version == 7 else f"Model Library Format {version}")


@needs_tools
@pytest.mark.slow
def test_objects_of_the_archive_are_linked(tmp_path: Path):
    folder = library(tmp_path / "export")
    layer, lib = folder / "codegen/host/src/default_lib1.c", folder / "codegen/host/lib"
    lib.mkdir()
    headers = resources.FIRMWARE / "frameworks/microtvm"
    command = ["arm-none-eabi-gcc", *CORE.gcc_flags, "-O2", f"-I{headers}", "-c", layer, "-o", lib / "default_lib0.o"]
    subprocess.run(command, check=True)
    layer.unlink()
    assert bench.run(plan(suite(tmp_path), "microtvm", folder)).metrics["fidelity"].value == 1.0


@needs_tools
def test_an_archive_of_another_model_is_told_by_its_fidelity(tmp_path: Path):
    folder = library(tmp_path / "export")
    weights = folder / "codegen/host/src/weights.h"
    weights.write_text(weights.read_text().replace("-37", "-3700"))
    record = bench.run(plan(suite(tmp_path), "microtvm", folder))
    assert record.metrics["fidelity"].value < 1.0


@needs_tools
def test_a_workspace_that_is_too_small_is_a_failure_of_the_model_and_not_a_wrong_number(tmp_path: Path):
    folder = library(tmp_path / "export")
    text = json.dumps(metadata()).replace('"workspace_size_bytes": 16', '"workspace_size_bytes": 8')
    (folder / "metadata.json").write_text(text)
    with pytest.raises(HilbenchError, match="model"):
        bench.run(plan(suite(tmp_path), "microtvm", folder))


@needs_tools
def test_a_compile_error_names_the_file_of_the_archive(tmp_path: Path):
    folder = library(tmp_path / "export")
    with (folder / "codegen/host/src/default_lib1.c").open("a") as file:
        file.write("int broken = ;\n")
    with pytest.raises(BuildError, match=r"\n? ?codegen/host/src/default_lib1\.c:\d+:\d+: error: "):
        bench.built_image(plan(suite(tmp_path), "microtvm", folder))


@needs_tools
def test_a_missing_source_is_told_by_what_it_would_have_defined(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/src/default_lib1.c").unlink()
    with pytest.raises(BuildError, match=r"undefined reference to .tvmgen_default___tvm_main__"):
        bench.built_image(plan(suite(tmp_path), "microtvm", folder))


def test_a_missing_entry_point_is_told(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/src/default_lib0.c").unlink()
    with pytest.raises(ModelError, match="no source in codegen/host/src declares the entry point of 'default'"):
        MicroTVM().supports(request(folder, tmp_path))


def test_archive_and_folder_are_the_same_content(tmp_path: Path):
    folder = library(tmp_path / "export")
    versions = [MicroTVM().versions(request(place, tmp_path)) for place in (folder, tar(folder))]
    assert versions[0] == versions[1]
    source = folder / "codegen/host/src/default_lib1.c"
    source.write_text(source.read_text() + "\n")
    assert MicroTVM().versions(request(folder, tmp_path)) != versions[0]


def test_a_folder_of_archives_gives_that_of_the_model(tmp_path: Path):
    place = tmp_path / "archives"
    tar(library(place / "dense"))
    library(place / "other")
    assert MicroTVM().supports(request(place, tmp_path)).ok
    (place / "dense.tar").unlink()
    assert MicroTVM().supports(request(place, tmp_path)).ok, "a folder of that name will do"
    (place / "dense").rename(place / "third")
    with pytest.raises(Unavailable, match=r"(?s)'dense'.*dense\.tar"):
        MicroTVM().supports(request(place, tmp_path))


def test_without_a_place_the_remedy_names_the_option(tmp_path: Path):
    missing = MicroTVM().available(CORE, {})
    assert not missing.ok
    assert "--hil-microtvm" in missing.remedy and "HILBENCH_MICROTVM" in missing.remedy
    assert not MicroTVM().available(CORE, {"microtvm": tmp_path / "nowhere"}).ok
    assert not MicroTVM().available(CORES["host"], {"microtvm": tmp_path}).ok
    assert MicroTVM().available(CORE, {"microtvm": tmp_path}).ok


# ---- what cannot run


@pytest.mark.parametrize(
    ("version", "changes", "reason"),
    [
        (7, {"executors": ["graph"]}, "executor graph"),
        (5, {"executors": ["graph"]}, "executor graph"),
        (6, {"executors": []}, "executor none"),
        (7, {"style": "operator"}, "single operator"),
    ],
)
def test_what_interprets_a_model_is_refused(version: int, changes: dict, reason: str, tmp_path: Path):
    with pytest.raises(UnsupportedModel, match=reason):
        reader.read(json.dumps(metadata(version, **changes)).encode(), tmp_path)


@pytest.mark.parametrize(
    "packed",
    ["TVMValue* args, int* type_code, int num_args, TVMValue* out_value, int* out_type_code, void* resource_handle",
     "void* args, void* type_code, int num_args, void* out_value, void* out_type_code, void* resource_handle"],
)  # fmt: skip
def test_packed_operators_are_refused(packed: str, tmp_path: Path):
    folder = library(tmp_path / "export", interface="packed")
    source = folder / "codegen/host/src/default_lib0.c"
    source.write_text(source.read_text().replace("void* x_0,void* output0", packed))
    support = MicroTVM().supports(request(folder, tmp_path))
    assert not support.ok
    assert "packed interface" in support.reason and "unpacked-api" in support.remedy


def test_two_modules_in_one_archive_are_refused(tmp_path: Path):
    both = metadata()
    both["modules"]["second"] = both["modules"]["default"]
    with pytest.raises(UnsupportedModel, match="2 modules"):
        reader.read(json.dumps(both).encode(), tmp_path)


def test_calls_to_a_library_that_is_not_in_the_archive_are_refused(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/src/default_lib2.c").write_text("#include <arm_nnfunctions.h>\n")
    assert "calls CMSIS-NN" in MicroTVM().supports(request(folder, tmp_path)).reason


def test_dsp_kernels_are_refused_on_a_core_without_them(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/src/default_lib2.c").write_text("#include <arm_nnsupportfunctions.h>\n")
    assert MicroTVM().supports(request(folder, tmp_path)).ok
    assert "Cortex-M3 does not have" in MicroTVM().supports(request(folder, tmp_path, core="cortex-m3")).reason


def dense(inputs: int = 8, outputs: int = 4, dtype: str = "int8") -> bytes:
    tensors = [T((1, inputs), 0.5, dtype=dtype), T((outputs, inputs), 0.5, data=[[1] * inputs] * outputs),
               T((1, outputs), 4.0, dtype=dtype)]  # fmt: skip
    return model(tensors, [Op("FULLY_CONNECTED", [0, 1, -1], [2])], [0], [2])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (dense(inputs=9), "its input for 'tensor_0' is int8 of 8 B, the model's int8 of 9 B"),
        (dense(outputs=5), "its output for 'tensor_2' is int8 of 4 B, the model's int8 of 5 B"),
        (dense(dtype="uint8"), "its input for 'tensor_0' is int8 of 8 B, the model's uint8 of 8 B"),
        (model([T((1, 8), 0.5), T((1, 8), 0.5), T((1, 8), 1.0)], [Op("ADD", [0, 1], [2])], [0, 1], [2]),
         "it has 1 inputs, the model 2"),
    ],
)  # fmt: skip
def test_tensors_that_differ_are_told(data: bytes, reason: str, tmp_path: Path):
    assert reason in MicroTVM().supports(request(library(tmp_path / "export"), tmp_path, data)).reason


def test_code_that_takes_another_dtype_is_refused_though_metadata_is_silent(tmp_path: Path):
    folder = library(tmp_path / "export", version=5)
    layer = folder / "codegen/host/src/default_lib1.c"
    layer.write_text(layer.read_text().replace("int8_t* p0", "float* p0"))
    assert "as float32, the model has int8" in MicroTVM().supports(request(folder, tmp_path)).reason


# ---- what is broken or hostile


def entry(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (entry("../outside.c"), "leads out of it"),
        (entry("codegen/../../outside.c"), "leads out of it"),
        (entry("/etc/outside.c"), "leads out of it"),
        (entry("codegen/host/src/evil.c", tarfile.SYMTYPE, target="/etc/passwd"), "is a link"),
        (entry("codegen/host/src/evil.c", tarfile.LNKTYPE, target="/etc/passwd"), "is a link"),
        (entry("parameters/evil", tarfile.CHRTYPE), "is not a plain file"),
        (entry("parameters/evil", tarfile.BLKTYPE), "is not a plain file"),
        (entry("parameters/evil", tarfile.FIFOTYPE), "is not a plain file"),
        (entry("codegen/host/src/a;b.c"), "misread by build tools"),
        (entry("codegen/host/src/]==]) execute_process(COMMAND id.c"), "misread by build tools"),
        (entry("codegen/host/src/-o.c\n"), "misread by build tools"),
        (entry("./metadata.json"), "twice"),
        (entry("runtime/include/" + "a" * 300 + ".h"), "longer than 240 characters"),
        (entry("runtime/include/" + "a/" * 3000 + "x.h"), "longer than 240 characters"),
    ],
)
def test_a_hostile_tar_is_refused_whole(bad: tarfile.TarInfo, message: str, tmp_path: Path):
    place = tar(library(tmp_path / "export"))
    with tarfile.open(place, "a") as file:
        file.addfile(bad)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match=message):
        archive.read(place)
    assert sorted(tmp_path.rglob("*")) == before


def pax(count: int, kind: bytes, data: bytes) -> bytes:
    """Return `count` extended headers, one after the other."""
    header = entry("p", kind, len(data)).tobuf(tarfile.USTAR_FORMAT)
    return count * (header + data + bytes(-len(data) % 512))


@pytest.mark.parametrize(
    "head",
    [pax(3000, tarfile.XHDTYPE, b"11 path=ab\n"), pax(3000, tarfile.GNUTYPE_LONGNAME, b"abc\0")],
    ids=["chained headers", "chained long names"],
)
def test_extended_headers_that_tarfile_stumbles_over_are_told(head: bytes, tmp_path: Path):
    place = tar(library(tmp_path / "export"))
    place.write_bytes(head + place.read_bytes())
    with pytest.raises(ModelError, match="damaged or cut short"):
        archive.read(place)


def test_a_huge_extended_header_is_refused_before_it_is_read(tmp_path: Path):
    place = tmp_path / "huge.tar"
    with place.open("wb") as file:
        file.write(entry("p", tarfile.XHDTYPE, 3 << 30).tobuf(tarfile.GNU_FORMAT))
        file.truncate((3 << 30) + 4096)  # sparse: takes no room on the disk
    tracemalloc.start()
    with pytest.raises(ModelError, match="64 MiB"):
        archive.read(place)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_a_pipe_is_no_archive(tmp_path: Path):
    os.mkfifo(tmp_path / "export.tar")
    with pytest.raises(ModelError, match="neither a file nor a folder"):
        archive.read(tmp_path / "export.tar")


def test_a_file_and_a_folder_of_one_name_are_told(tmp_path: Path):
    place = tar(library(tmp_path / "export"))
    with tarfile.open(place, "a") as file:
        file.addfile(entry("runtime/include/a.h"))
        file.addfile(entry("runtime/include/a.h/b.h"))
    (tmp_path / "into").mkdir()
    with pytest.raises(ModelError, match=r"'runtime/include/a\.h/b\.h' cannot be written"):
        MicroTVM().emit(request(place, tmp_path), tmp_path / "into")


def test_sizes_of_thousands_of_digits_are_told(tmp_path: Path):
    folder = library(tmp_path / "export", memory="external")
    header = folder / "codegen/host/include/tvmgen_default.h"
    header.write_text(header.read_text().replace("POOL_SIZE 16", "POOL_SIZE " + "9" * 5000))
    with pytest.raises(ModelError, match="does not say how large the pool 'global_ram' is"):
        MicroTVM().supports(request(folder, tmp_path))
    folder = library(tmp_path / "other", memory="internal")
    source = folder / "codegen/host/src/default_lib0.c"
    source.write_text(source.read_text().replace("global_workspace[16]", f"global_workspace[{'9' * 5000}]"))
    (tmp_path / "into").mkdir()
    assert MicroTVM().emit(request(folder, tmp_path), tmp_path / "into").arena_bytes == 12, "the compiler will tell"


_MB = 1 << 20
_SLOW_TO_MATCH = {
    "blank lines": ("src/default_lib0.c", "\n" * _MB),
    "spaces before nothing": ("src/default_lib0.c", (" " * 1000 + "\n") * (_MB // 1000)),
    "entry points": ("src/default_lib0.c", "tvmgen_default___tvm_main__(" * (_MB // 28)),
    "entry point and spaces": ("src/default_lib0.c", "tvmgen_default___tvm_main__" + " " * _MB),
    "comments": ("include/tvmgen_default.h", "/*" * (_MB // 2)),
    "structures": ("include/tvmgen_default.h", "struct tvmgen_default_inputs {" * (_MB // 30)),
    "fields": ("include/tvmgen_default.h", "struct tvmgen_default_devices {" + "void" + " " * _MB + "}"),
    "spaces in a structure": ("include/tvmgen_default.h", "struct tvmgen_default_devices {" + " " * _MB + "}"),
    "pools": ("include/tvmgen_default.h", "struct tvmgen_default_workspace_pools {" + "void*p;" * (_MB // 7) + "};\n"
                      "#define TVMGEN_DEFAULT_P_WORKSPACE_POOL_SIZE 1\n" + "#define X\n" * (_MB // 10)),
    "a long word": ("src/default_lib0.c", "int32_t tvmgen_default___tvm_main__(" + "a" * _MB + ") {"),
}  # fmt: skip


@pytest.mark.parametrize("name", _SLOW_TO_MATCH)
def test_the_time_to_read_an_archive_grows_no_faster_than_the_archive(name: str, tmp_path: Path):
    path, text = _SLOW_TO_MATCH[name]
    folder = library(tmp_path / "export")
    file = folder / "codegen/host" / path
    file.write_text(text + "\n" + file.read_text())
    request(folder, tmp_path)
    code = (
        "import resource, sys, time; from pathlib import Path; from tests.test_microtvm import *\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 5,) * 2)\n"
        "try: MicroTVM().supports(request(Path(sys.argv[1]), Path(sys.argv[2])))\n"
        "except ModelError: pass"
    )
    done = subprocess.run([sys.executable, "-c", code, folder, tmp_path], cwd=resources.FIRMWARE.parent,
                          capture_output=True, text=True, check=False, timeout=120)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_tree_with_a_link_is_refused(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/src/evil.c").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="is a link"):
        archive.read(folder)


def test_too_many_files_are_refused(tmp_path: Path):
    place = tmp_path / "many.tar"
    with tarfile.open(place, "w") as file:
        for number in range(10_001):
            file.addfile(entry(f"parameters/{number}"))
    with pytest.raises(ModelError, match="10,000 files"):
        archive.read(place)


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path: Path):
    place = tmp_path / "large.tar"
    with place.open("wb") as file:
        file.write(entry("parameters/large", size=1 << 30).tobuf())
        file.truncate(1 << 31)  # sparse: takes no room on the disk
    with pytest.raises(ModelError, match="64 MiB"):
        archive.read(place)


def test_a_compressed_archive_is_not_unpacked(tmp_path: Path):
    place = tmp_path / "bomb.tar"
    with tarfile.open(place, "w:gz") as file:
        file.addfile(entry("parameters/zeros", size=1 << 20), io.BytesIO(bytes(1 << 20)))
    with pytest.raises(ModelError, match="compressed"):
        archive.read(place)


def test_a_tar_that_is_cut_short_is_told(tmp_path: Path):
    place = tar(library(tmp_path / "export"))
    data = place.read_bytes()
    with tarfile.open(place) as file:
        last = max(member.offset_data for member in file if member.isreg())
    for size in (0, 100, 700, last + 10):
        place.write_bytes(data[:size])
        with pytest.raises(ModelError, match=r"cut short|no metadata"):
            archive.read(place)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "metadata.json: "),
        (b"[" * 100_000, "metadata.json: "),
        (b"{}", "version: field required"),
        (b'{"version": "7"}', "version: input should be a valid integer"),
        (b'{"version": 4}', "is of version 4; this hilbench reads 5 to 7"),
        (b'{"version": 8}', "is of version 8; this hilbench reads 5 to 7"),
        (b'{"version": 7}', "modules: field required"),
        (json.dumps(metadata(6, memory={})).encode(), r"memory\.functions: field required"),
        (json.dumps(metadata(7, model_name="x; rm")).encode(), r"modules\.default\.model_name: string should match"),
        (json.dumps(metadata()).replace(": 16", ": -16").encode(), "workspace_size_bytes: .* greater than or equal"),
    ],
)
def test_wrong_metadata_is_told_with_its_place(data: bytes, message: str, tmp_path: Path):
    with pytest.raises(ModelError, match=message):
        reader.read(data, tmp_path)


def test_no_metadata_is_told(tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "metadata.json").unlink()
    with pytest.raises(ModelError, match=r"holds no metadata\.json"):
        archive.read(tar(folder))


@pytest.mark.parametrize("data", [b"", b"INPUT(/etc/passwd)\n", b"\x7fELF\x02\x01\x01" + bytes(60)])
def test_an_object_that_is_no_code_for_arm_never_reaches_the_linker(data: bytes, tmp_path: Path):
    folder = library(tmp_path / "export")
    (folder / "codegen/host/lib").mkdir()
    (folder / "codegen/host/lib/default_lib0.o").write_bytes(data)
    with pytest.raises(ModelError, match="is not an object file for Arm"):
        archive.read(folder)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_is_read_or_told(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("damaged")
    bytes_of = bytearray(tar(library(folder / "export")).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        bytes_of[data.draw(st.integers(0, len(bytes_of) - 1))] = data.draw(st.integers(0, 255))
    place = folder / "damaged.tar"
    place.write_bytes(bytes_of[: data.draw(st.integers(0, len(bytes_of)))])
    told = None
    try:
        assert len(MicroTVM().versions(request(place, folder))["archive"]) == 64
        support = MicroTVM().supports(request(place, folder))
        assert support.ok or support.reason
    except (ModelError, Unavailable) as error:
        told = str(error)
    assert told is None or str(place) in told
