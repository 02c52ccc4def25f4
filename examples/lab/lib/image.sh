# shellcheck shell=bash
# The cached root file systems: base (every host) and svc (a layer over base
# with the services). Each is built under a temporary name and renamed when it
# is complete, so that a killed build is never mistaken for a whole one; the
# name holds a hash of the recipe, so that a changed recipe is built anew.

PACKAGES=systemd,systemd-sysv,dbus,libpam-systemd,openssh-server,sudo,iproute2,iputils-ping,procps
SERVICES="postgresql redis-server redis-sentinel mariadb-server haproxy nginx-light"

recipe() { # recipe PART...: 12 digits naming what these parts would build
  local p
  {
    for p; do cat "$HERE/lib/$p.sh"; done
    cat /etc/debian_version
    echo "$EXTRA"
  } | sha256sum | cut -c1-12
}

# build_images sets BASE and SVC, building what is not in the cache.
build_images() {
  BASE=base-$(recipe image) SVC=svc-$(recipe image svc)
  exec 8>"$C/.lock" # labs share the cache: one builds, the others wait
  flock -n 8 || { say "waiting for another lab to build the root file systems"; flock 8; }
  image_sweep
  [ -d "$C/$BASE" ] || build_base 8>&-
  [ -d "$C/$SVC" ] || build_svc 8>&-
  exec 8>&-
}

image_sweep() { # half-built ones, and old recipes that no running lab stands on
  local i
  rm -rf --one-file-system "$(scratch)"
  for i in "$C"/*; do
    case ${i##*/} in
      *.part) umount "$i/root" 2>/dev/null || true; rm -rf "$i" ;;
      "$BASE" | "$SVC") ;;
      base-* | svc-*)
        if ! grep -q "[:=]${i}[:,]" /proc/mounts && [ -n "$(find "$i" -maxdepth 0 -mtime +7)" ]; then rm -rf "$i"; fi ;;
    esac
  done
}

sources() { # this machine's own Debian sources, one 'deb ...' a line
  # shellcheck disable=SC2016  # apt's own variables
  apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' | sort -u
}

scratch() { # where mmdebstrap works: dpkg's fsyncs are free on tmpfs; one name for each cache, whose lock we hold
  local h
  h=$(echo "$C" | md5sum | cut -c1-8)
  if [ -w /dev/shm ]; then echo "/dev/shm/ghadeploy-lab-$h"; else echo "$C/scratch.part"; fi
}

# in_root ROOT [nspawn options] COMMAND: run in a root file system without a
# network; nothing of it is left running.
in_root() {
  local r=$1 rc=0
  shift
  (
    cg_enter build
    exec systemd-nspawn -q -D "$r" -M "$(machine build)" --register=no --keep-unit --as-pid2 --console=pipe \
      --private-network --link-journal=no --resolv-conf=off --timezone=off "$@"
  ) </dev/null || rc=$?
  cg_leave build
  return $rc
}

build_base() {
  local t0=$SECONDS part=$C/$BASE.part b log=$D/logs/build-base.log tmp
  say "building the hosts' root file system"
  b=$part/root
  mkdir -p "$b"
  tmp=$(scratch)
  rm -rf "$tmp"
  mkdir -p "$tmp"
  sources >"$part/sources"
  [ -s "$part/sources" ] || { apt-get update -q >"$log" 2>&1 || die "apt-get update failed: $log"; sources >"$part/sources"; }
  # shellcheck disable=SC1091
  TMPDIR=$tmp mmdebstrap --variant=minbase --include="$PACKAGES${EXTRA:+,$EXTRA}" \
    "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$part/base.tar" "$part/sources" >"$log" 2>&1 ||
    { rm -rf "$tmp"; die "mmdebstrap failed: $log"; }
  rm -rf "$tmp"
  tar -C "$b" --numeric-owner --xattrs -xf "$part/base.tar"
  base_files "$b"
  mv "$b" "$C/$BASE"
  rm -rf "$part"
  say "hosts' root file system done in $((SECONDS - t0)) s"
}

base_files() {
  local b=$1 u
  rm -f "$b"/etc/ssh/ssh_host_* "$b/var/lib/dbus/machine-id"
  : >"$b/etc/machine-id"
  # a host has no way out: no timers that want one
  for u in apt-daily.timer apt-daily-upgrade.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service systemd-pstore.service; do
    chroot "$b" systemctl mask -q "$u" 2>/dev/null || true
  done
  echo 'LANG=C.UTF-8' >"$b/etc/default/locale"
  : >"$b/etc/resolv.conf"
  : >"$b/etc/fstab"
  # ops: key, sudo without a password; opspw: password "lab", sudo asks for it; plain: key, no sudo
  for u in ops opspw plain; do
    chroot "$b" useradd -m -s /bin/bash "$u"
    install -d -m 700 "$b/home/$u/.ssh"
    chroot "$b" chown "$u:$u" "/home/$u/.ssh"
  done
  install -d -m 700 "$b/root/.ssh"
  echo 'opspw:lab' | chroot "$b" chpasswd
  echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >"$b/etc/sudoers.d/ops"
  echo 'opspw ALL=(ALL:ALL) ALL' >"$b/etc/sudoers.d/opspw"
  chmod 440 "$b"/etc/sudoers.d/ops*
}

build_svc() {
  local t0=$SECONDS part=$C/$SVC.part r log=$D/logs/build-svc.log apt
  say "building the services' layer ($SERVICES)"
  r=$part/root
  mkdir -p "$part/up" "$part/work" "$r"
  mount -t overlay overlay -o "lowerdir=$C/$BASE,upperdir=$part/up,workdir=$part/work" "$r"
  printf '#!/bin/sh\nexit 101\n' >"$r/usr/sbin/policy-rc.d" # installing starts nothing
  chmod 755 "$r/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$r/etc/dpkg/dpkg.cfg.d/lab"
  # this machine's apt downloads (it has the way out, the proxy and the certificates), the layer's installs
  apt=(apt-get -q -o "Dir=$r" -o "Dir::State::status=$r/var/lib/dpkg/status" -o APT::Sandbox::User=root)
  # shellcheck disable=SC2086
  if ! {
    "${apt[@]}" update && "${apt[@]}" install -y -d --no-install-recommends $SERVICES &&
      in_root "$r" --setenv=DEBIAN_FRONTEND=noninteractive bash -c "
        apt-get install -yq --no-download --no-install-recommends $SERVICES && apt-get clean && rm -rf /var/lib/apt/lists/*" &&
      rm -f "$r/usr/sbin/policy-rc.d" "$r/etc/dpkg/dpkg.cfg.d/lab" &&
      svc_files "$r" && svc_accounts "$r"
  } </dev/null >"$log" 2>&1; then
    umount "$r"
    die "building the services' layer failed: $log"
  fi
  umount "$r"
  mv "$part/up" "$C/$SVC"
  rm -rf "$part"
  say "services' layer done in $((SECONDS - t0)) s"
}
