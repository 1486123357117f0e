#!/bin/sh
# Installs what wattmul needs of the operating system, and nothing that is already there:
#   - the Vulkan loader and Mesa's drivers (AMD, Intel, and a software one for machines without a GPU);
#   - libclang, with which the build makes fresh bindings (without it, it uses those in vendor/).
# Silent where nothing lacks. An NVIDIA driver brings its own Vulkan driver; macOS has Metal.
set -eu

[ "$(uname -s)" = Linux ] || exit 0

found() { # found PATTERN: is there a file of such a name where libraries live?
    for folder in /usr/lib /usr/lib64 /usr/lib/*-linux-* /usr/lib/llvm*/lib /usr/lib/llvm/*/lib64 /usr/local/lib; do
        for file in "$folder"/$1; do
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

vulkan_driver() {
    for folder in /usr/share /usr/local/share /etc "${XDG_DATA_HOME:-${HOME:-/}/.local/share}"; do
        for file in "$folder"/vulkan/icd.d/*.json; do
            [ -e "$file" ] && return 0
        done
    done
    return 1
}

# A package is asked for only where what it gives is missing.
loader='' drivers='' clang=''
found 'libvulkan.so.1' || loader=yes
vulkan_driver || drivers=yes
found 'libclang.so*' || found 'libclang-[0-9]*.so*' || clang=yes
[ -n "$loader$drivers$clang" ] || exit 0

choose() { # choose LOADER DRIVERS LIBCLANG: this distribution's names for what lacks
    packages="${loader:+$1} ${drivers:+$2} ${clang:+$3}"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "setup.sh: as root, run: $*" >&2
        exit 1
    fi
}

# shellcheck disable=SC2086 # the lists of packages are meant to be split
if command -v apt-get >/dev/null 2>&1; then
    choose libvulkan1 mesa-vulkan-drivers libclang1
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $packages >/dev/null
elif command -v dnf >/dev/null 2>&1; then
    choose vulkan-loader mesa-vulkan-drivers clang-libs
    as_root dnf install -q -y $packages
elif command -v pacman >/dev/null 2>&1; then
    choose vulkan-icd-loader 'vulkan-swrast vulkan-radeon vulkan-intel' clang
    as_root pacman -S --needed --noconfirm --quiet $packages
elif command -v zypper >/dev/null 2>&1; then
    choose libvulkan1 'libvulkan_lvp libvulkan_radeon libvulkan_intel' libclang13
    as_root zypper --quiet --non-interactive install $packages
elif command -v apk >/dev/null 2>&1; then
    choose vulkan-loader 'mesa-vulkan-swrast mesa-vulkan-ati mesa-vulkan-intel' clang-libclang
    as_root apk add --quiet $packages
else
    echo "setup.sh: no apt-get, dnf, pacman, zypper or apk here: please install the Vulkan loader," >&2
    echo "setup.sh: a Vulkan driver (Mesa's, or your GPU vendor's) and, if you like, libclang." >&2
    exit 1
fi
