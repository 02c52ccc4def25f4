# shellcheck shell=bash
# Root file systems of other releases of Debian, with all the shells that people log in
# with. Their names in the cache hold a hash of this recipe.

WORLD_PACKAGES=zsh,fish,csh,tcsh,ksh,busybox
WORLD_RELEASES="bullseye bookworm trixie forky sid"

# shellcheck disable=SC1091
own_release() { (. /etc/os-release && echo "$VERSION_CODENAME"); }

world_image() { # world_image RELEASE: its name in the cache
  echo "base-$1-$({ cat "$HERE/lib/release.sh" "$HERE/lib/image.sh"; echo "$1 $EXTRA"; } | sha256sum | cut -c1-12)"
}

world_build() { # world_build IMAGE
  local t0=$SECONDS release=${1#base-} part=$C/$1.part log tmp uri more=
  release=${release%-*}
  log=$D/logs/build-$release.log
  say "building the root file system of $release"
  tmp=$(scratch)
  rm -rf --one-file-system "$tmp" "$part"
  mkdir -p "$tmp" "$part/root"
  # The machine's own mirror has every release; a frozen copy of a moving one is past its date.
  uri=$(sources | awk -v own="$(own_release)" '$3 == own {print $2; exit}')
  [ -n "$uri" ] || die "no Debian mirror among this machine's sources"
  case $release in trixie | forky | sid) more=,sudo-rs ;; esac
  TMPDIR=$tmp mmdebstrap --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include="$PACKAGES,$WORLD_PACKAGES$more${EXTRA:+,$EXTRA}" "$release" "$part/base.tar" "deb $uri $release main" >"$log" 2>&1 ||
    { rm -rf "$tmp"; die "mmdebstrap failed: $log"; }
  rm -rf "$tmp"
  tar -C "$part/root" --numeric-owner --xattrs -xf "$part/base.tar"
  base_files "$part/root"
  mv "$part/root" "$C/$1"
  rm -rf "$part"
  say "root file system of $release done in $((SECONDS - t0)) s"
}

world_layer() { # world_layer RELEASE: the services' layer over it
  echo "svc-$1-$({ cat "$HERE/lib/release.sh" "$HERE/lib/image.sh" "$HERE/lib/svc.sh"; echo "$1 $EXTRA"; } | sha256sum | cut -c1-12)"
}

# Both lie in the cache when it is done.
world_build_svc() ( # world_build_svc RELEASE
  BASE=$(world_image "$1") SVC=$(world_layer "$1")
  if [ -d "$C/$SVC" ]; then touch "$C/$SVC"; else build_svc; fi
)
