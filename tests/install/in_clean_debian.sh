#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# in_clean_debian.sh FOLDER: run by scripts/check-package in the clean system, where FOLDER has the packages.
source "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

packages=$1
place=$(mktemp -d)

get() { # PACKAGE...
  apt-get install --quiet=2 --yes --no-install-recommends -o APT::Keep-Downloaded-Packages=true \
    -o Dpkg::Use-Pty=0 "$@" > "$place/apt.log" 2>&1 || {
    cat "$place/apt.log"
    die "apt could not install $*"
  }
}

heading 'The program'
apt-get update --quiet=2
get "$packages"/flatkv_*.deb
if dpkg-query --show 'libflatkv*' > /dev/null 2>&1; then die 'flatkv takes a package of the library'; fi
flatkv --version
flatkv apply "$place/store" - --create <<< '{"version":1,"changesets":[]}'
flatkv verify "$place/store"

heading 'Manual and completion'
get man-db groff-base
page=$(MANWIDTH=80 man flatkv-apply)
head -12 <<< "$page"
for words in 'flatkv apply' '--durability' 'EXIT STATUS'; do
  [[ $page == *"$words"* ]] || die "man flatkv-apply does not show $words"
done
man --whatis flatkv flatkv-import-log
/flatkv/scripts/check-pages /usr
get bash-completion
bash -c 'source /usr/share/bash-completion/bash_completion; _completion_loader flatkv; complete -p flatkv'

heading 'The library'
get "$packages"/libflatkv*.deb
get g++ cmake ninja-build pkg-config
get librdkafka-dev libcurl4-openssl-dev libcpp-httplib-dev prometheus-cpp-dev
/flatkv/scripts/check-installed /usr

heading 'Nothing stays'
mapfile -t names < <(for file in "$packages"/*.deb; do dpkg-deb --field "$file" Package; done)
apt-get purge --quiet=2 --yes "${names[@]}" > /dev/null
left=$(find /usr /etc /var/lib/dpkg/info -xdev -name '*flatkv*')
[[ -z $left ]] || die "left behind: $left"
echo "${names[*]} are gone."
