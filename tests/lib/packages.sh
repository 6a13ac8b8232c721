# The Debian packages that MinOS is built and tested with. Sourced by qemu/up, tests/run and tests/bench.

# What a caller without the rights of root puts in front of a command: sudo.
[ -v root ] || root=()

vm_packages=(
    # kernel
    bc bison build-essential cpio flex libelf-dev libssl-dev perl python3 xz-utils zstd
    # seed, sources, disks
    binutils debian-archive-keyring dpkg-dev e2fsprogs fdisk mmdebstrap squashfs-tools
    systemd-boot-efi util-linux
    # machine
    ovmf qemu-system-x86
)
test_packages=("${vm_packages[@]}" busybox-static dosfstools gdisk minisign mtools python3-pip signify-openbsd strace)
# What runs the programs of the cross toolchains for other machines: tests/run --full.
full_packages=(qemu-user-static)
# Package managers that tests/bench --packages compares with, and what makes their packages.
peer_packages=(libarchive-tools nix-bin ostree pacman-package-manager zstd)

# ensure_packages YES PACKAGE...: installs what is missing, after asking unless YES is "true".
ensure_packages() {
    local yes=$1 answer package missing=()
    shift
    command -v dpkg-query >/dev/null || { echo "this needs Debian or a system made from it" >&2; exit 2; }
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$yes" != true ]; then
        printf 'These Debian packages are missing:\n  %s\nInstall them? [y/N] ' "${missing[*]}"
        read -r answer || answer=n
        case $answer in y|Y|yes) ;; *) echo "nothing was installed" >&2; exit 2 ;; esac
    fi
    echo "== installing: ${missing[*]}"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}
