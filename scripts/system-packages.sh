# Debian packages that are missing, by the table SYSTEM_NEEDS of the script that reads this; never run by itself.
# shellcheck shell=bash

missing_system_packages() {
  local need package command
  for need in "${SYSTEM_NEEDS[@]}"; do
    read -r package command <<<"$need"
    # shellcheck disable=SC2086 # the table's second column is a command with its arguments
    $command >/dev/null 2>&1 </dev/null || echo "$package"
  done
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq -o Acquire::Retries=2 update &&
    apt-get -qq -y -o Acquire::Retries=2 -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 \
      install --no-install-recommends "$@"
}
