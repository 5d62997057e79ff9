"""Models for the tests of TensorFlow Lite Micro: the shipped one, and what is made of it by breaking it."""

from hilbench import resources


def digits():
    """Return the path of the model that the suite `digits` ships."""
    return next((resources.SUITES / "digits").glob("*.tflite"))


def with_operator(folder, name):
    """Write the digits model with its first kind of operator called `name`; return the path."""
    import tflite

    data = bytearray(digits().read_bytes())
    table = tflite.Model.GetRootAsModel(data, 0).OperatorCodes(0)._tab
    code = getattr(tflite.BuiltinOperator, name)
    # schema.fbs, table OperatorCode: deprecated_builtin_code is field 0 (int8), builtin_code field 3 (int32).
    for vtable_offset, size in ((4, 1), (10, 4)):
        if offset := table.Offset(vtable_offset):
            start = table.Pos + offset
            data[start : start + size] = code.to_bytes(size, "little")
    path = folder / f"{name}.tflite"
    path.write_bytes(data)
    return path


def broken_models(good):
    """Return files that are no model, by name."""
    return {"empty": b"", "text": b"not a model at all", "cut short": good[: len(good) // 2]}
