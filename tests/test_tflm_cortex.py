"""TensorFlow Lite Micro on Cortex-M: what an SDK must hold, and that its kernels give what the reference gives.

The mistakes are tested with made-up SDKs; the kernels with the one that HILBENCH_TFLM_SDK names, if it does.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import bench, catalog, resources
from hilbench.catalog.board import Board, Region
from hilbench.catalog.core import CORES, Core
from hilbench.errors import TargetCrashed, Unavailable, UnsupportedModel
from hilbench.frameworks.base import Model, Request
from hilbench.frameworks.tflm import TFLM
from hilbench.frameworks.tflm.archive import Archive
from hilbench.frameworks.tflm.sdk import LIBRARY, Sdk
from hilbench.images.toolchain import Toolchain, require_cxx
from hilbench.measure.memory import memory_metrics
from hilbench.plan import Plan

from .conftest import DIGITS
from .firmware_images import answer, make, needs_qemu, running
from .tflm_models import digits, with_operator

M4 = CORES["cortex-m4f"]
GLUE = resources.FIRMWARE / "frameworks" / "tflm"
RESOLVER = """
  TfLiteStatus AddCustom(const char* name, const TFLMRegistration* registration) {
    return AddRegistration(BuiltinOperator_CUSTOM, name);
  }
  TfLiteStatus AddConv2D(
      const TFLMRegistration& registration = Register_CONV_2D()) {
    return AddBuiltin(BuiltinOperator_CONV_2D, registration, ParseConv2D);
  }
  TfLiteStatus AddWindow() {
    // TODO: AddCustom("Window")?
    return AddCustom("SignalWindow", tflite::tflm_signal::Register_WINDOW());
  }
  TfLiteStatus AddWhile() { return AddBuiltin(BuiltinOperator_WHILE, Register_WHILE(), ParseWhile); }
 private:
  TfLiteStatus AddBuiltin(tflite::BuiltinOperator op, const TFLMRegistration& registration) {
    if (op == BuiltinOperator_CUSTOM) return kTfLiteError;
"""
needs_gcc = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="no arm-none-eabi-gcc on PATH")
needs_sdk = pytest.mark.skipif("HILBENCH_TFLM_SDK" not in os.environ, reason="HILBENCH_TFLM_SDK names no TFLM SDK")


def asked(path: Path, paths: dict[str, Path], core: Core = M4, **options: str) -> Request:
    model = Model(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    return Request(model, core, TFLM().check_options(options), paths)


def headers(folder: Path, resolver: str = RESOLVER) -> Path:
    """Make the headers of an SDK, as far as hilbench reads them."""
    micro = folder / "include/tensorflow/lite/micro"
    micro.mkdir(parents=True)
    (micro / "micro_interpreter.h").write_text("// nothing\n")
    (micro / "micro_mutable_op_resolver.h").write_text(resolver)
    return folder


def library(folder: Path, name: str, flags: tuple[str, ...], source: str = "int one(void) { return 1; }") -> Path:
    """Make a library of two objects, compiled for what `flags` say."""
    place = folder / "lib" / name
    place.mkdir(parents=True)
    for goal, member in (("-O2", "conv.o"), ("-Os", "micro_interpreter.o")):
        subprocess.run(
            ["arm-none-eabi-gcc", *flags, goal, "-c", "-x", "c", "-", "-o", str(place / member)],
            input=source, text=True, check=True,
        )  # fmt: skip
    subprocess.run(["arm-none-eabi-ar", "rc", LIBRARY, "conv.o", "micro_interpreter.o"], cwd=place, check=True)
    return place / LIBRARY


def test_without_an_sdk_it_says_what_to_set_and_what_the_folder_must_hold():
    support = TFLM().available(M4, {})
    assert (support.ok, support.reason) == (False, "no TFLM SDK")
    for word in ("--hil-tflm-sdk", "HILBENCH_TFLM_SDK", "include/", f"lib/CORE-KERNELS/{LIBRARY}", "docs/tflm.md"):
        assert word in support.remedy


def test_a_folder_that_is_no_sdk_is_named_with_what_it_lacks(tmp_path: Path):
    support = TFLM().available(M4, {"tflm_sdk": tmp_path})
    assert not support.ok
    assert support.reason.startswith(f"{tmp_path}: this is not a TFLM SDK: it has no include/tensorflow/lite/micro/")
    assert "docs/tflm.md" in support.remedy


def test_a_checkout_of_tflm_is_not_taken_for_an_sdk(tmp_path: Path):
    (tmp_path / "tensorflow/lite/micro").mkdir(parents=True)
    (tmp_path / "tensorflow/lite/micro/micro_interpreter.h").touch()
    assert "a checkout of TFLM, not an SDK" in TFLM().available(M4, {"tflm_sdk": tmp_path}).reason


@pytest.mark.parametrize("character", [";", "="])
def test_a_name_that_builds_stumble_over_is_refused_before_the_build(tmp_path: Path, character: str):
    support = TFLM().available(M4, {"tflm_sdk": headers(tmp_path / f"a{character}b")})
    assert f"builds stumble over '{character}'" in support.reason


@needs_gcc
def test_an_sdk_without_this_core_lists_what_it_has(tmp_path: Path):
    headers(tmp_path)
    assert "(it has: none)" in TFLM().available(M4, {"tflm_sdk": tmp_path}).reason
    library(tmp_path, "cortex-m3-reference", CORES["cortex-m3"].gcc_flags)
    assert TFLM().available(CORES["cortex-m3"], {"tflm_sdk": tmp_path}).ok
    support = TFLM().available(M4, {"tflm_sdk": tmp_path})
    assert support.reason == (
        f"{tmp_path}: the TFLM SDK has no library lib/cortex-m4+fp-reference/{LIBRARY} for Cortex-M4F "
        "(it has: cortex-m3-reference)"
    )
    assert "TARGET_ARCH=cortex-m4+fp microlite" in support.remedy


@needs_gcc
def test_an_sdk_without_these_kernels_lists_what_it_has(tmp_path: Path):
    library(headers(tmp_path), "cortex-m4+fp-reference", M4.gcc_flags)
    paths = {"tflm_sdk": tmp_path}
    assert TFLM().available(M4, paths).ok
    support = TFLM().supports(asked(digits(), paths, kernels="cmsis_nn"))
    assert not support.ok
    assert "no library lib/cortex-m4+fp-cmsis_nn/" in support.reason
    assert "(it has: cortex-m4+fp-reference)" in support.reason
    assert "OPTIMIZED_KERNEL_DIR=cmsis_nn" in support.remedy
    with pytest.raises(Unavailable, match="cmsis_nn"):
        TFLM().versions(asked(digits(), paths, kernels="cmsis_nn"))


@needs_gcc
@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (("-mcpu=cortex-m0plus", "-mthumb"), "Armv6-M, no FPU, soft float ABI"),
        (("-mcpu=cortex-m4", "-mthumb"), "Armv7E-M, no FPU, soft float ABI"),
        (("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=softfp"), "Armv7E-M, VFPv4-D16, soft float ABI"),
        (CORES["cortex-m7f"].gcc_flags, "Armv7E-M, FPv5-D16, hard float ABI"),
        (CORES["cortex-m33f"].gcc_flags, "Armv8-M Mainline, FPv5-D16, hard float ABI"),
    ],
)
def test_a_library_for_another_core_is_named_with_what_it_is_for(tmp_path: Path, flags: tuple[str, ...], found: str):
    path = library(headers(tmp_path), "cortex-m4+fp-reference", flags)
    support = TFLM().supports(asked(digits(), {"tflm_sdk": tmp_path}))
    assert support.reason == (
        f"{path}: this library is not for Cortex-M4F (Armv7E-M, VFPv4-D16, hard float ABI): it is for {found}"
    )
    assert "TARGET_ARCH=cortex-m4+fp" in support.remedy


@needs_gcc
@pytest.mark.parametrize("core", [core for core in CORES.values() if not core.is_host], ids=lambda core: core.name)
def test_a_library_that_gcc_makes_for_a_core_is_taken_for_that_core(tmp_path: Path, core: Core):
    name = {"cortex-m4f": "cortex-m4+fp", "cortex-m7f": "cortex-m7+fp", "cortex-m33f": "cortex-m33",
            "cortex-m55f": "cortex-m55"}.get(core.name, core.name)  # fmt: skip
    path = library(headers(tmp_path), f"{name}-reference", core.gcc_flags)
    found = Sdk.open(tmp_path).library(core, "reference")
    assert found.path == path
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.optimisation == "kernels for speed, core for size"
    assert found.kernel.compiler.startswith("GCC: ")


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc on PATH")
def test_a_library_for_the_computer_is_told_from_one_for_arm(tmp_path: Path):
    place = headers(tmp_path) / "lib" / "cortex-m4+fp-reference"
    place.mkdir(parents=True)
    subprocess.run(["gcc", "-c", "-x", "c", "/dev/null", "-o", str(place / "conv.o")], check=True)
    subprocess.run(["ar", "rc", LIBRARY, "conv.o"], cwd=place, check=True)
    support = TFLM().supports(asked(digits(), {"tflm_sdk": tmp_path}))
    assert not support.ok
    assert f"{place / LIBRARY}(conv.o): this object is for x" in support.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it does not begin with '!<arch>'"),
        (b"version https://git-lfs.github.com/spec/v1\n", "it does not begin with '!<arch>'"),
        (b"!<arch>\n", "there is no such object"),
        (b"!<arch>\nrubbish", "there is no member at byte 8"),
        (b"!<arch>\n" + b"conv.o/".ljust(48) + b"1000".ljust(10) + b"`\nshort", "it is cut short"),
        (b"!<arch>\n" + b"conv.o/".ljust(48) + b"4".ljust(10) + b"`\ntext", "this is not an object file"),
    ],
)
def test_a_file_that_is_no_library_is_named_with_what_is_wrong(tmp_path: Path, content: bytes, words: str):
    place = headers(tmp_path) / "lib" / "cortex-m4+fp-reference"
    place.mkdir(parents=True)
    (place / LIBRARY).write_bytes(content)
    support = TFLM().supports(asked(digits(), {"tflm_sdk": tmp_path}))
    assert not support.ok
    assert support.reason.startswith(str(place / LIBRARY))
    assert words in support.reason


@pytest.fixture(scope="module")
def good_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("no arm-none-eabi-gcc on PATH")
    return library(tmp_path_factory.mktemp("sdk"), "any", M4.gcc_flags)


@given(data=st.data())
def test_a_damaged_library_is_read_or_refused_and_nothing_else(good_library: Path, data: st.DataObject):
    content = bytearray(good_library.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = good_library.with_name("damaged.a")
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(Unavailable):
        archive = Archive(damaged)
        for name in archive.names():
            with contextlib.suppress(Unavailable):
                archive.attributes(name)


@needs_gcc
def test_the_index_of_a_library_says_what_it_defines(good_library: Path):
    assert Archive(good_library).defines("one")
    assert not Archive(good_library).defines("on")


def test_the_operators_are_read_from_the_header_of_the_sdk(tmp_path: Path):
    sdk = Sdk.open(headers(tmp_path))
    assert sdk.adders == {"CONV_2D": "AddConv2D", "SignalWindow": "AddWindow", "WHILE": "AddWhile"}


@needs_gcc
def test_operators_that_the_sdk_does_not_have_are_refused_by_name_and_index(tmp_path: Path):
    library(headers(tmp_path), "cortex-m4+fp-reference", M4.gcc_flags)
    request = asked(digits(), {"tflm_sdk": tmp_path})
    reason = TFLM().supports(request).reason
    assert "(MAX_POOL_2D): TensorFlow Lite Micro has no kernel for it" in reason
    assert "(SOFTMAX): TensorFlow Lite Micro has no kernel for it" in reason
    assert "CONV_2D): " not in reason.replace("DEPTHWISE_CONV_2D", "")
    with pytest.raises(UnsupportedModel, match="MAX_POOL_2D"):
        TFLM().emit(request, tmp_path)


@needs_gcc
def test_an_operator_that_runs_another_graph_is_refused(tmp_path: Path):
    library(headers(tmp_path), "cortex-m4+fp-reference", M4.gcc_flags)
    request = asked(with_operator(tmp_path, "WHILE"), {"tflm_sdk": tmp_path})
    assert "(WHILE) runs another graph of the model" in TFLM().supports(request).reason


@needs_gcc
def test_what_an_image_is_made_of_is_in_its_versions(tmp_path: Path):
    path = library(headers(tmp_path), "cortex-m4+fp-reference", M4.gcc_flags)
    request = asked(digits(), {"tflm_sdk": tmp_path})
    first = TFLM().versions(request)
    assert next(iter(first.items())) == ("tflm", "unknown")
    assert first["tflm library"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert first["tflm optimisation"] == "kernels for speed, core for size"
    assert str(tmp_path) not in str(first)
    (tmp_path / "VERSION").write_text("2026-08-20 90b983c2b\nmore\n")
    assert TFLM().versions(request)["tflm"] == "2026-08-20 90b983c2b"
    headers_before = first["tflm headers"]
    (tmp_path / "include/tensorflow/lite/micro/micro_interpreter.h").write_text("// changed\n")
    assert TFLM().versions(request)["tflm headers"] != headers_before


@needs_gcc
@pytest.mark.parametrize(
    "source", ['const char *f(void) { return "HALTED"; }', "void abort(void); void f(void) { abort(); }"]
)
def test_a_library_with_assertions_says_so_in_its_version(tmp_path: Path, source: str):
    library(headers(tmp_path), "cortex-m4+fp-reference", M4.gcc_flags, source)
    assert TFLM().versions(asked(digits(), {"tflm_sdk": tmp_path}))["tflm"] == "unknown with assertions"


@needs_gcc
@pytest.mark.parametrize("prints", [True, False])
def test_the_glue_is_compiled_as_the_library_was(tmp_path: Path, prints: bool):
    every = "\n".join(f"  TfLiteStatus Add{name}() {{ return AddBuiltin(BuiltinOperator_{name}); }}"
                      for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "SOFTMAX", "RESHAPE",
                                   "AVERAGE_POOL_2D", "MAX_POOL_2D"))  # fmt: skip
    source = 'void f(void) __asm__("_Z11MicroPrintfPKcz"); void f(void) {}' if prints else "int x;"
    library(headers(tmp_path, every), "cortex-m4+fp-cmsis_nn", M4.gcc_flags, source)
    into = tmp_path / "into"
    into.mkdir()
    emitted = TFLM().emit(asked(digits(), {"tflm_sdk": tmp_path}, kernels="cmsis_nn"), into)
    assert ("-DTF_LITE_STRIP_ERROR_STRINGS" in emitted.flags) is not prints
    assert {"-DCMSIS_NN", "-DTF_LITE_STATIC_MEMORY"} <= {*emitted.flags}
    assert not any(str(tmp_path) in flag for flag in emitted.flags)
    assert (into / "model.tflite").read_bytes() == digits().read_bytes()
    assert "#define HB_TFLM_OPERATOR_COUNT 7\n" in (into / "hb_tflm_operators.h").read_text()
    assert all(path.is_file() for path in emitted.sources)


def test_a_compiler_without_a_cxx_library_says_which_package_has_it(tmp_path: Path):
    gcc = tmp_path / "gcc"
    gcc.write_text("#!/bin/sh\necho libstdc++.a\n")
    gcc.chmod(0o755)
    with pytest.raises(Unavailable, match=r"no C\+\+ library") as error:
        require_cxx(Toolchain(str(gcc), "cmake", "12", "2.40", ""), M4)
    assert error.value.hint == "apt install libstdc++-arm-none-eabi-newlib"


@pytest.fixture(scope="module")
def printf(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The glue's printf, compiled for this computer."""
    if shutil.which("g++") is None:
        pytest.skip("no g++ on PATH")
    folder = tmp_path_factory.mktemp("log")
    (folder / "tensorflow/lite/micro").mkdir(parents=True)
    (folder / "tensorflow/lite/micro/debug_log.h").write_text(
        '#include <stdarg.h>\n#include <stddef.h>\nextern "C" void DebugLog(const char *, va_list);\n'
        'extern "C" int DebugVsnprintf(char *, size_t, const char *, va_list);\n'
    )
    (folder / "test.cc").write_text(
        '#include "tensorflow/lite/micro/debug_log.h"\n#include "hb_model.h"\n#include "hb_tflm_log.h"\n'
        'asm(".pushsection .data\\n.globl hb_port_spare_begin, hb_port_spare_end\\n"\n'
        '    "hb_port_spare_begin: .fill 300, 1, 0x55\\n"\n'
        '    "hb_port_spare_end: .fill 16, 1, 0x55\\n.popsection\\n");\n'
        'extern "C" int print(char *to, size_t bytes, const char *format, ...) {\n'
        "    va_list left;\n    va_start(left, format);\n    return DebugVsnprintf(to, bytes, format, left);\n}\n"
        'extern "C" void say(const char *text) { hb_tflm_log("%s", text); }\n'
        'extern "C" int behind(void) { return *hb_port_spare_end; }\n'
    )
    subprocess.run(
        ["g++", "-shared", "-fPIC", "-Wl,-Bsymbolic", "-Wall", "-Wextra", "-Werror", "-o", str(folder / "log.so"),
         str(folder / "test.cc"), str(GLUE / "hb_tflm_log.cc"),
         f"-I{folder}", f"-I{GLUE}", f"-I{resources.FIRMWARE / 'agent'}"],
        check=True,
    )  # fmt: skip
    return ctypes.CDLL(str(folder / "log.so"))


@pytest.mark.parametrize(
    ("text", "arguments", "printed"),
    [
        (b"Failed. Requested: %u, missing: %d", (102400, -7), "Failed. Requested: 102400, missing: -7"),
        (b"Node %s (number %d%s) failed", (b"CONV_2D", 3, b"f"), "Node CONV_2D (number 3f) failed"),
        (b"%5.2f %-3d|%zu|%ld|%x|%c|100%%|%q", (ctypes.c_double(1.5), 4, 5, 6, 255, ord("z")),
         "(float) 4|5|6|ff|z|100%|q"),
        (b"%d %i", (-(2**31), 0), "-2147483648 0"),
        (b"%lld", (ctypes.c_longlong(-5),), "-5"),
        (b"ends in %", (), "ends in "),
    ],
)  # fmt: skip
def test_messages_of_the_runtime_are_formatted(printf: ctypes.CDLL, text: bytes, arguments: tuple, printed: str):
    buffer = ctypes.create_string_buffer(b"\xff" * 128, 128)
    assert printf.print(buffer, 128, text, *arguments) == len(printed)
    assert buffer.value.decode() == printed
    short = ctypes.create_string_buffer(b"\xff" * 8, 8)
    assert printf.print(short, 5, text, *arguments) == len(printed)
    assert short.value.decode() == printed[:4]
    assert short.raw[5:] == b"\xff" * 3


def test_a_long_message_ends_where_its_memory_ends(printf: ctypes.CDLL):
    printf.hb_model_message.restype = ctypes.c_char_p
    assert printf.hb_model_message() == b""
    for _ in range(100):
        printf.say(b"0123456789")
    assert printf.hb_model_message() == (b"0123456789" * 26)[:255]
    assert printf.behind() == 0x55


@needs_qemu
def test_what_a_model_says_of_its_failure_reaches_the_user(image_cache: Path):
    with running(make("mps2-an386", image_cache, "says_why")) as bench_:
        inputs = [bytes(64)] * 3
        results = bench_.client.infer(inputs)
        assert [next(results).index, next(results).index] == [0, 1]
        with pytest.raises(TargetCrashed, match=r"^sample 2: .* device: Tensor 7 has; the wrong type$"):
            next(results)


@needs_qemu
def test_an_arena_in_what_ram_is_left_counts_as_ram_and_the_rest_does_not(image_cache: Path):
    with running(make("mps2-an386", image_cache, "spare")) as bench_:
        arena = bench_.client.hello(within_s=5).arena_bytes
        (inference,) = bench_.client.infer([bytes(64)])
        assert inference.output == answer(bytes(64), 12)
        assert bench_.image.elf is not None
        sizes = bench_.image.elf.sizes()
    assert arena == 4321
    assert sizes.spare_used
    metrics = memory_metrics(sizes, arena, 100)
    assert metrics["arena"].value == 4321
    assert metrics["ram"].value == sizes.ram_model + 4321 + 100 < 8192
    inside = make("mps2-an386", image_cache, "echo").elf
    assert inside is not None
    assert not inside.sizes().spare_used
    assert memory_metrics(inside.sizes(), 76, 100)["ram"].value == inside.sizes().ram_model + 100


def plan(board: Board, **changes: object) -> Plan:
    return Plan(**{"suite": DIGITS, "task": "digits", "board": board, "target": "qemu", "framework": "tflm",
                         "samples": 20, "places": (("tflm_sdk", Path(os.environ["HILBENCH_TFLM_SDK"])),),
                         **changes})  # type: ignore[arg-type]  # fmt: skip


@needs_sdk
@needs_qemu
@pytest.mark.parametrize("kernels", ["reference", "cmsis_nn"])
def test_its_outputs_are_those_of_the_reference(kernels: str):
    try:
        Sdk.open(Path(os.environ["HILBENCH_TFLM_SDK"])).library(M4, kernels)
    except Unavailable as missing:
        pytest.skip(str(missing))
    record = bench.run(plan(catalog.board("mps2-an386"), options=(("kernels", kernels),)))
    metrics = record.metrics
    assert metrics["fidelity"].value == 1.0
    assert metrics["fidelity_lsb"].value == 0
    assert 1_000 < metrics["arena"].value < 32_000
    assert metrics["arena"].value < metrics["ram"].value < metrics["arena"].value + 16_000
    assert (
        record.framework.version.removesuffix(" with assertions")
        == Sdk.open(Path(os.environ["HILBENCH_TFLM_SDK"])).version
    )
    assert record.framework.options == {"kernels": kernels}
    assert os.environ["HILBENCH_TFLM_SDK"] not in record.model_dump_json()


@needs_sdk
@needs_qemu
def test_a_model_that_needs_more_ram_than_the_board_has_says_so():
    board = catalog.board("mps2-an386")
    assert board.memory is not None
    small = board.memory.model_copy(update={"data": Region(base=board.memory.data.base, size=32 << 10)})
    with pytest.raises(TargetCrashed, match=r"could not be set up on the device: Failed to \w+.*[Rr]equested"):
        bench.run(plan(board.model_copy(update={"memory": small})))
