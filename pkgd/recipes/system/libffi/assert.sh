cd "$(mktemp -d)"
cat > call.c <<'C'
#include <ffi.h>
static int twice(int n) { return 2 * n; }
int main(void) {
    ffi_cif cif; ffi_type *types[] = { &ffi_type_sint };
    int n = 21; void *values[] = { &n }; ffi_arg result;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, 1, &ffi_type_sint, types) != FFI_OK) return 2;
    ffi_call(&cif, FFI_FN(twice), &result, values);
    return (int) result != 42;
}
C
gcc call.c -o call -lffi
./call
