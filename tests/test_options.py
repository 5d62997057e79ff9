"""Options of frameworks: defaults, and one message for what is mistyped, whatever the framework."""

import pytest

from hilbench import plugins
from hilbench.errors import UsageError
from hilbench.frameworks.base import checked
from hilbench.selection import parse_frameworks

KNOWN = {"codegen": ("c", "llvm"), "unroll": ("2", "4")}


def test_what_is_not_given_has_its_first_value():
    assert checked("tvm", {"unroll": "4"}, KNOWN) == {"codegen": "c", "unroll": "4"}


@pytest.mark.parametrize(
    ("given", "known", "what", "hint"),
    [
        ({"codgen": "c"}, KNOWN, "the framework tvm has no option 'codgen'", "did you mean 'codegen'?"),
        ({"codegen": "lvm"}, KNOWN, "tvm:codegen cannot be 'lvm'", "did you mean 'llvm'?"),
        ({"codegen": "c"}, {}, "the framework tvm has no option 'codegen'", "it has no options"),
    ],
)
def test_what_there_is_not_is_named_with_the_nearest(given, known, what, hint):
    with pytest.raises(UsageError) as error:
        checked("tvm", given, known)
    assert (error.value.what, error.value.hint) == (what, hint)


@pytest.mark.parametrize("name", plugins.names("frameworks"))
def test_every_framework_says_it_alike(name):
    framework = plugins.load("frameworks", name)()
    with pytest.raises(UsageError, match=f"the framework {name} has no option 'wrong'"):
        framework.check_options({"wrong": "1"})
    for key in framework.check_options({}):
        with pytest.raises(UsageError, match=f"^{name}:{key} cannot be 'wrong'"):
            framework.check_options({key: "wrong"})


def test_an_option_given_twice_is_a_mistake():
    with pytest.raises(UsageError, match="'tvm:codegen=llvm:codegen=c': 'codegen' is given twice"):
        parse_frameworks(["tvm:codegen=llvm:codegen=c"])
    both = parse_frameworks(["tvm:codegen=llvm,tvm:codegen=c"])
    assert [str(choice) for choice in both] == ["tvm:codegen=llvm", "tvm:codegen=c"]
