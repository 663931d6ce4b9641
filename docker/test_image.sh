#!/usr/bin/env bash
# Builds the image `cpu` without a Docker engine, by buildah, and tries it as a user without rights would: an epoch of dcgan, a
# wrong option, Ctrl-C, the start of every recipe. Checks the owner of what was written and the exit codes. What the recipes
# do is tested outside: the image holds the same files and the same pinned packages.
#
#   docker/test_image.sh [BASE_IMAGE]
#
# Without BASE_IMAGE the base is made of Debian's packages by debootstrap, as a registry of images may be out of reach.
# Says so and ends with 0 where it cannot run: it needs root, buildah, debootstrap, Debian's packages, pip's index, and disk.
set -euo pipefail
script=$(readlink -f -- "${BASH_SOURCE[0]}") # not a link to it
root=$(dirname -- "$(dirname -- "$script")")
user=12345:12345 # nobody's number, as the caller's is in an image

skip() {
    echo "Skipped the test of the image: $1."
    exit 0
}

for tool in buildah debootstrap; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (on Debian: apt install buildah debootstrap)"
done
[ "$(id -u)" = 0 ] || skip "only root can make one here"

work=$(mktemp -d)
[ "$(df --output=avail -B1G "$work" | tail -n 1)" -ge 25 ] || skip "it needs 25 GB in $work, where every layer is a copy"
trap 'rm -rf -- "$work"' EXIT
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
in_storage() { buildah --root "$work/storage" --runroot "$work/run" "$@"; }

base=${1:-}
if [ -z "$base" ]; then
    echo "== A base image of Debian's packages"
    packages=python3,python3-venv,python3-pip,ca-certificates
    debootstrap --variant=minbase --include="$packages" bookworm "$work/debian" >"$work/log" 2>&1 ||
        skip "debootstrap did not get Debian's packages ($(tail -n 1 "$work/log"))"
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

container=$(in_storage from "$base")
in_storage run "${reach[@]}" "$container" -- python3 -m pip download --no-deps --dest /tmp/reach \
    "$(grep -o 'tyro==[0-9.]*' "$root/pyproject.toml")" >"$work/log" 2>&1 ||
    skip "a container does not run here, or pip does not reach its index in it ($(tail -n 1 "$work/log"))"
in_storage rm "$container" >/dev/null

echo "== The image"
in_storage build --format docker --quiet "${reach[@]}" --build-arg BASE_IMAGE="$base" \
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

echo "== Ctrl-C"
# Without --default-signal what runs in the background ignores it.
run env --default-signal=INT /project/docker/entrypoint.sh dcgan --filters 4 --classes bag --epochs 5000 \
    --run-folder /runs/stopped >"$work/log" &
running=$!
until [ -f "$work/runs/stopped/checkpoint.npz" ]; do
    kill -0 "$running" 2>/dev/null || { cat "$work/log"; exit 1; }
    sleep 1
done
pkill -INT --uid "${user%:*}" --full recipes.dcgan.train # as an engine hands it on
code=0
wait "$running" || code=$?
tail -n 1 "$work/log"
[ "$code" = 130 ] || { echo "The exit code is $code, not 130."; exit 1; }
echo "The exit code is 130."

echo "== Every recipe, its options"
for train in "$root"/recipes/*/train.py; do
    name=$(basename "$(dirname "$train")")
    run /project/run_recipe.sh "$name" --help >"$work/log" || { cat "$work/log"; exit 1; }
done
echo "Every recipe starts."
echo "The image is as it should be."
