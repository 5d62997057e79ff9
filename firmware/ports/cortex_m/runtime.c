/* The ends of a program that C and C++ code may call: here each is a fault, which tells the host where it
 * happened. */

void abort(void);
void _exit(int status);
void __assert_func(const char *file, int line, const char *function, const char *expression);
void __cxa_pure_virtual(void);

_Noreturn void abort(void) {
    __builtin_trap();
}

_Noreturn void _exit(int status) {
    (void)status;
    __builtin_trap();
}

_Noreturn void __assert_func(const char *file, int line, const char *function, const char *expression) {
    (void)file;
    (void)line;
    (void)function;
    (void)expression;
    __builtin_trap();
}

_Noreturn void __cxa_pure_virtual(void) {
    __builtin_trap();
}
