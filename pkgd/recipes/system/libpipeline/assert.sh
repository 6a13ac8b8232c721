cd "$(mktemp -d)"
cat > run.c <<'C'
#include <pipeline.h>
int main(void) {
    pipeline *p = pipeline_new_command_args("true", (void *) 0);
    return pipeline_run(p);
}
C
gcc run.c -o run $(pkg-config --cflags --libs libpipeline)
./run
