/* The texts of TensorFlow Lite Micro, formatted without the C library's printf, which would weigh more than
 * some kernels. Overrides the two functions of TFLM's debug_log.cc. */
#include "hb_tflm_log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "hb_model.h"
#include "tensorflow/lite/micro/debug_log.h"

namespace {

/* A text of at most `size` bytes with its end; how long it would have been is counted on. */
struct Text {
    char *to;
    size_t size;
    size_t used;

    void put(char character) {
        if (used + 1 < size) {
            to[used] = character;
            to[used + 1] = 0;
        }
        used++;
    }

    void put(const char *string) {
        while (*string) {
            put(*string++);
        }
    }

    void put(uint32_t number, uint32_t base) {
        char digits[11];
        char *digit = digits + sizeof digits;
        *--digit = 0;
        do {
            *--digit = "0123456789abcdef"[number % base];
            number /= base;
        } while (number);
        put(digit);
    }

    void put(int32_t number) {
        if (number < 0) {
            put('-');
        }
        put(number < 0 ? 0u - static_cast<uint32_t>(number) : static_cast<uint32_t>(number), 10);
    }
};

/* One argument, by the letter of its conversion. Flags and widths are not honoured; a float is only taken. */
void convert(Text &text, char letter, bool wide, va_list *arguments) {
    if (letter == 's') {
        const char *string = va_arg(*arguments, const char *);
        text.put(string ? string : "(null)");
    } else if (letter == 'c') {
        text.put(static_cast<char>(va_arg(*arguments, int)));
    } else if (letter == 'f' || letter == 'g' || letter == 'e') {
        (void)va_arg(*arguments, double);
        text.put("(float)");
    } else if (letter == 'p') {
        text.put(static_cast<uint32_t>(reinterpret_cast<uintptr_t>(va_arg(*arguments, void *))), 16);
    } else if (letter == 'd' || letter == 'i') {
        text.put(wide ? static_cast<int32_t>(va_arg(*arguments, int64_t))
                      : static_cast<int32_t>(va_arg(*arguments, int)));
    } else if (letter == 'u' || letter == 'x' || letter == 'X') {
        uint32_t number = wide ? static_cast<uint32_t>(va_arg(*arguments, uint64_t))
                               : static_cast<uint32_t>(va_arg(*arguments, unsigned));
        text.put(number, letter == 'u' ? 10 : 16);
    } else {
        text.put(letter);
    }
}

bool is_one_of(char character, const char *set) {
    while (*set && *set != character) {
        set++;
    }
    return *set != 0;
}

void print(Text &text, const char *format, va_list arguments) {
    va_list left;
    va_copy(left, arguments);
    while (*format) {
        if (*format != '%') {
            text.put(*format++);
            continue;
        }
        int longs = 0;
        for (format++; *format && is_one_of(*format, "-+ #.0123456789hlzjt"); format++) {
            longs += *format == 'l' ? 1 : *format == 'j' ? 2 : 0;
        }
        if (*format) {
            convert(text, *format++, longs >= 2, &left);
        }
    }
    va_end(left);
}

bool begun;

/* Null where not even the text has room. Nobody has cleared the memory that no one uses. */
char *kept_text(void) {
    if (hb_port_spare_end - hb_port_spare_begin < HB_TFLM_LOG_BYTES) {
        return nullptr;
    }
    char *text = reinterpret_cast<char *>(hb_port_spare_end) - HB_TFLM_LOG_BYTES;
    if (!begun) {
        begun = true;
        *text = 0;
    }
    return text;
}

void append(const char *format, va_list arguments) {
    char *to = kept_text();
    if (!to) {
        return;
    }
    size_t used = 0;
    while (to[used]) {
        used++;
    }
    Text text = {to, HB_TFLM_LOG_BYTES, used};
    print(text, format, arguments);
}

} // namespace

void hb_tflm_log(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    append(format, arguments);
    va_end(arguments);
}

extern "C" const char *hb_model_message(void) {
    const char *text = kept_text();
    return text ? text : "no RAM is left for tensors";
}

extern "C" void DebugLog(const char *format, va_list arguments) {
    append(format, arguments);
}

extern "C" int DebugVsnprintf(char *buffer, size_t bytes, const char *format, va_list arguments) {
    Text text = {buffer, bytes, 0};
    if (bytes) {
        *buffer = 0;
    }
    print(text, format, arguments);
    return static_cast<int>(text.used);
}
