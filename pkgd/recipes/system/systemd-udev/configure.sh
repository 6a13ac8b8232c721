# The book's switches.
meson setup build              \
      --prefix=/usr            \
      --buildtype=release      \
      -D mode=release          \
      -D dev-kvm-mode=0660     \
      -D link-udev-shared=false \
      -D logind=false          \
      -D vconsole=false
