#!/usr/bin/env bash
# Builds the image `cpu` without a Docker engine, by buildah, and tries it as a user would: one epoch of dcgan and the quick
# tests, as a user without rights. Looks at the owner of what was written and at the exit codes.
#
#   docker/test_image.sh [BASE_IMAGE]
#
# Without BASE_IMAGE the base is made of Debian's packages by debootstrap, as a registry of images may be out of reach.
# Says so and ends with 0 where it cannot run: it needs root, buildah and debootstrap.
set -euo pipefail
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
user=12345:12345 # nobody's number, as the caller's is in an image

for tool in buildah debootstrap; do
    if ! command -v "$tool" >/dev/null; then
        echo "Skipped the test of the image: $tool is not installed (on Debian: apt install buildah debootstrap)."
        exit 0
    fi
done
if [ "$(id -u)" != 0 ]; then
    echo "Skipped the test of the image: only root can make one here."
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
in_storage() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

base=${1:-}
if [ -z "$base" ]; then
    echo "== A base image of Debian's packages"
    packages=python3,python3-venv,python3-pip,ca-certificates
    debootstrap --variant=minbase --include="$packages" bookworm "$work/debian" >"$work/log" || {
        tail -n 5 "$work/log"
        exit 1
    }
    base=localhost/debian-python
    container=$(in_storage from scratch)
    in_storage add --quiet "$container" "$work/debian" / >/dev/null
    in_storage commit --quiet --rm "$container" "$base" >/dev/null
    rm -rf -- "$work/debian"
fi

# pip reaches its index in the image as it does here: by the same settings, certificates and local folders.
{
    echo "[global]"
    python3 -m pip config list | sed -nE "s/^[^=]*\.([a-z-]+)='(.*)'$/\1 = \2/p" | sort -u -k 1,1
} >"$work/pip.conf"
reach=(--volume "$work/pip.conf:/etc/pip.conf:ro" --volume /etc/ssl/certs:/etc/ssl/certs:ro)
while read -r folder; do
    folder=${folder%/simple} # an index of files beside it
    if [ -d "$folder" ]; then reach+=(--volume "$folder:$folder:ro"); fi
done < <(grep -oE '/[^ :]+' "$work/pip.conf" | sed 's#^//*#/#' | sort -u)

echo "== The image"
in_storage build --format docker --quiet "${reach[@]}" --build-arg BASE_IMAGE="$base" --build-arg EXTRA=test \
    --target cpu --tag gan-cookbook:cpu --file "$root/docker/Dockerfile" "$root"
container=$(in_storage from gan-cookbook:cpu)
mkdir "$work/runs"
chown "$user" "$work/runs"
run() { in_storage run --user "$user" --volume "$work/runs:/runs" "$container" -- "$@" 2>&1; }

echo "== One epoch of dcgan as user $user"
run /project/docker/entrypoint.sh dcgan --epochs 1 --filters 4 --classes bag
owners=$(find "$work/runs" -printf '%U:%G\n' | sort -u)
[ "$owners" = "$user" ] || { echo "Files belong to $owners, not to $user."; exit 1; }
[ -f "$work/runs/dcgan/generator.keras" ] || { echo "There is no generator."; exit 1; }
echo "All files belong to $owners."

echo "== A wrong option"
code=0
run /project/docker/entrypoint.sh dcgan --epochs 0 || code=$?
[ "$code" = 2 ] || { echo "The exit code is $code, not 2."; exit 1; }
echo "The exit code is 2."

echo "== The quick tests as user $user, but for those that look at the checkout, which is not in the image"
run env KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 /opt/gan-cookbook/venv/bin/python -m pytest -q -p no:cacheprovider \
    -m "not slow" -k "not (what_goes_into_an_image or pictures_are_small or shell_scripts_are_executable)"
echo "The image is as it should be."
