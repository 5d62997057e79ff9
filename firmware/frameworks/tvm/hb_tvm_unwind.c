/* LLVM's objects carry tables for unwinding, which name this function. Nothing is ever unwound: a stub for
 * the linker, in place of the unwinder in libgcc. */
void __aeabi_unwind_cpp_pr0(void);

void __aeabi_unwind_cpp_pr0(void) {
}
