/* Runs a model with TensorFlow Lite Micro. Its arena is all RAM that the image leaves; what it uses of that
 * is known after the first run. */
#include <new>
#include <stddef.h>
#include <stdint.h>

#include "hb_model.h"
#include "hb_tflm_log.h"
#include "hb_tflm_operators.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_profiler_interface.h"
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" const uint8_t hb_tflm_model[];

namespace {

using Resolver = tflite::MicroMutableOpResolver<HB_TFLM_OPERATOR_COUNT>;
using Interpreter = tflite::MicroInterpreter;

/* Neither is ever destroyed: an object with a destructor would bring in what runs at a program's end. */
alignas(Resolver) uint8_t resolver_place[sizeof(Resolver)];
alignas(Interpreter) uint8_t interpreter_place[sizeof(Interpreter)];
Interpreter *interpreter;

#ifdef HB_PROFILE
/* Operators run in the model's order: counting them numbers them. What runs before one belongs to the
 * runtime. */
class Profiler : public tflite::MicroProfilerInterface {
  public:
    uint32_t BeginEvent(const char *) override {
        HB_OPERATOR_DONE(HB_PROFILE);
        return next++;
    }

    void EndEvent(uint32_t event) override {
        HB_OPERATOR_DONE(event);
    }

    static void operator delete(void *) {
        /* Never called: only what a virtual destructor asks for. */
    }

    uint32_t next = 0;
};

alignas(Profiler) uint8_t profiler_place[sizeof(Profiler)];
Profiler *profiler;

Profiler *new_profiler() {
    return profiler = new (profiler_place) Profiler;
}
#else
tflite::MicroProfilerInterface *new_profiler() {
    return nullptr;
}
#endif

bool register_operators(Resolver &resolver) {
#define HB_TFLM_REGISTER(method) &&resolver.method() == kTfLiteOk
    return true HB_TFLM_FOR_EACH_OPERATOR(HB_TFLM_REGISTER);
#undef HB_TFLM_REGISTER
}

hb_tensor view(const TfLiteTensor *tensor) {
    return {tensor->data.data, static_cast<uint32_t>(tensor->bytes)};
}

} // namespace

extern "C" int hb_model_init(void) {
    const tflite::Model *model = tflite::GetModel(hb_tflm_model);
    if (model->version() != TFLITE_SCHEMA_VERSION) {
        hb_tflm_log("the model is of another version of TFLite's schema");
        return 1;
    }
    Resolver *resolver = new (resolver_place) Resolver;
    if (!register_operators(*resolver)) {
        return 1;
    }
    uint8_t *arena = hb_port_spare_begin;
    ptrdiff_t bytes = hb_port_spare_end - arena - HB_TFLM_LOG_BYTES;
    if (bytes <= 0) {
        return 1;
    }
    interpreter = new (interpreter_place) Interpreter(model, *resolver, arena, static_cast<size_t>(bytes),
                                                      /*resource_variables=*/nullptr, new_profiler());
    return interpreter->AllocateTensors() == kTfLiteOk ? 0 : 1;
}

extern "C" uint32_t hb_model_input_count(void) {
    return static_cast<uint32_t>(interpreter->inputs_size());
}

extern "C" uint32_t hb_model_output_count(void) {
    return static_cast<uint32_t>(interpreter->outputs_size());
}

extern "C" hb_tensor hb_model_input(uint32_t index) {
    return view(interpreter->input(index));
}

extern "C" hb_tensor hb_model_output(uint32_t index) {
    return view(interpreter->output(index));
}

extern "C" int hb_model_invoke(void) {
#ifdef HB_PROFILE
    profiler->next = 0;
#endif
    return interpreter->Invoke() == kTfLiteOk ? 0 : 1;
}

extern "C" uint32_t hb_model_arena_used(void) {
    return interpreter ? static_cast<uint32_t>(interpreter->arena_used_bytes()) : 0;
}
