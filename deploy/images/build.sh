#!/usr/bin/env bash
# Builds the images perdure, perdure-auto-setup, perdure-admin-tools and perdure-ui with docker or buildah.
#
#   deploy/images/build.sh [TAG]        TAG is the server's version if not given
#
#   ENGINE=buildah    the engine; without it docker where there is one, else buildah; `none` only lays out the folders
#   REGISTRY=…/       what goes before the images' names
#   BINARY=FILE       a static binary for Linux, instead of the one that `cargo xtask dist` builds
#   BUSYBOX=FILE      a static busybox, instead of Debian's; the shell of the images for admin tools and auto-setup
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

# An image without a shell has less than this many bytes.
readonly SIZE_MAX=30000000

die() {
    echo "build.sh: $*" >&2
    exit 1
}

target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
if [[ -z ${BINARY:-} ]]; then
    cargo xtask dist
    BINARY=$target/dist/perdure
fi
[[ -f $BINARY ]] || die "there is no $BINARY"
if [[ -z ${BUSYBOX:-} ]]; then
    BUSYBOX=$(dpkg-query --listfiles busybox-static 2>/dev/null | grep -x '.*/bin/busybox') ||
        die "no static busybox: apt-get install busybox-static, or set BUSYBOX"
fi
certificates=/etc/ssl/certs/ca-certificates.crt
[[ -f $certificates ]] || die "no $certificates, which outgoing TLS needs: apt-get install ca-certificates"
tag=${1:-$("$BINARY" --version | cut -d' ' -f2)}

# What the images hold: three folders that the Containerfile copies as they are.
context=$target/dist/images
rm -rf "$context"
mkdir -p "$context"/{data,rootfs/{etc/ssl/certs,etc/temporal/config/dynamicconfig,tmp,usr/local/bin},shell/bin}
install -m 755 "$BINARY" "$context/rootfs/usr/local/bin/perdure"
# The names under which scripts call it: the binary looks at its own.
ln -s perdure "$context/rootfs/usr/local/bin/tctl"
ln -s perdure "$context/rootfs/usr/local/bin/temporal"
install -m 644 "$certificates" "$context/rootfs/etc/ssl/certs/ca-certificates.crt"
install -m 644 "$root"/deploy/compose/dynamicconfig/*.yaml "$context/rootfs/etc/temporal/config/dynamicconfig/"
echo 'perdure:x:1000:1000::/data:/sbin/nologin' >"$context/rootfs/etc/passwd"
echo 'perdure:x:1000:' >"$context/rootfs/etc/group"
chmod 1777 "$context/rootfs/tmp"
install -m 755 "$BUSYBOX" "$context/shell/bin/busybox"
for applet in $("$BUSYBOX" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$context/shell/bin/$applet"
done

size=$(du --summarize --apparent-size --block-size=1 "$context/rootfs" | cut -f1)
echo "perdure: $size bytes"
((size < SIZE_MAX)) || die "the image would be larger than $SIZE_MAX bytes"

engine=${ENGINE:-$(basename "$(command -v docker || command -v buildah || echo none)")}
case $engine in
    docker | podman | buildah)
        for image in perdure auto-setup admin-tools ui; do
            name=${REGISTRY:-}perdure
            [[ $image == perdure ]] || name+=-$image
            "$engine" build --file "$here/Containerfile" --target "$image" --tag "$name:$tag" "$context"
        done
        ;;
    none) echo "no docker and no buildah: the folders are in $context" ;;
    *) die "ENGINE=$engine: use docker, podman, buildah or none" ;;
esac
