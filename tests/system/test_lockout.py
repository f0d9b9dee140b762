# SPDX-License-Identifier: GPL-2.0-or-later
"""Never lock anyone out: what stands on disk is tried before sshd is touched."""

import json

import pytest

import roots

LIBDIR = "/usr/lib/x86_64-linux-gnu"


def broken(host, packages, *break_it):
    """A stale host with something broken since; gives its listener and a session of before."""
    session = host.session()
    host.upgrade_unnoticed(*packages)
    for command in break_it:
        host.sh(command)
    return host.listener(), session


@pytest.mark.parametrize("program, package", [
    ("sshd-session", "openssh-server"), ("sshd-auth", "openssh-server")])
def test_a_missing_program_of_sshd_is_found_and_named(trixie, program, package):
    path = f"/usr/lib/openssh/{program}"
    pid, session = broken(trixie, roots.UPGRADES["trixie"], f"mv {path} /root/")
    assert trixie.ssh("true", check=False).returncode != 0, "a client is locked out already"
    trixie.leaves_alone(pid, 2, path, package, "would not let a client in")
    assert session.lasts()
    # Put back, it is healed by the next run.
    trixie.sh(f"mv /root/{program} {path}")
    trixie.heals()
    assert trixie.ssh("echo in").stdout == "in\n"


def test_a_missing_library_of_sshd_session_is_found_and_named(trixie):
    pid, session = broken(trixie, roots.UPGRADES["trixie"], f"mv {LIBDIR}/libwrap.so.0 /root/")
    done = trixie.leaves_alone(pid, 2, f"{LIBDIR}/libwrap.so.0 is missing", "libwrap0")
    assert "CRITICAL: a new client gets connection closed" in done.stdout
    assert session.lasts()


def test_without_host_keys_sshd_is_left_alone(host):
    """OpenSSH up to 9.7 reads its keys for every client: they are refused by now."""
    pid, session = broken(host, roots.UPGRADE, "rm /etc/ssh/ssh_host_*")
    assert host.ssh("true", check=False).returncode == 255
    host.leaves_alone(pid, 2, "/etc/ssh/ssh_host_", "CRITICAL")
    assert session.lasts()


def test_without_host_keys_a_newer_sshd_goes_on_serving(trixie):
    pid, session = broken(trixie, roots.UPGRADES["trixie"], "rm /etc/ssh/ssh_host_*")
    trixie.leaves_alone(pid, 1, "/etc/ssh/ssh_host_")
    assert session.lasts()
    assert trixie.ssh("echo in").stdout == "in\n"


def test_a_replaced_host_key_is_not_taken_up(trixie):
    pid, session = broken(trixie, roots.UPGRADES["trixie"], "rm /etc/ssh/ssh_host_*",
                          "ssh-keygen -q -A")
    trixie.leaves_alone(pid, 1, "the host key on disk is not the one that clients know",
                        "clients know the host key ssh-ed25519 SHA256:")
    assert trixie.ssh("echo in").stdout == "in\n"
    report = json.loads(trixie.heal("heal", "--dry-run", "--format=json").stdout)
    assert report["listeners"][0]["trial"]["host_key"] == "changed"
    session.close()


def test_a_broken_configuration_is_not_taken_up(host):
    pid, session = broken(host, roots.UPGRADE, "echo 'NoSuchOption yes' >>/etc/ssh/sshd_config")
    host.leaves_alone(pid, 1, "/etc/ssh/sshd_config", "NoSuchOption")
    assert session.lasts()
    assert host.ssh("echo in").stdout == "in\n"


def test_a_host_between_two_releases_lets_clients_in_again(upgradable):
    """9.2 listens, 10.0 is on disk: the lockout that sshd-heal is for."""
    host = upgradable
    policy = "/usr/sbin/policy-rc.d"
    host.write(policy, "#!/bin/sh\nexit 101\n", mode=0o755)
    done = host.run("apt-get", "full-upgrade", "-y", "--no-download", "-o",
                    "Dpkg::Options::=--force-confnew", timeout=300)
    assert done.returncode == 0
    assert host.version("openssh-server").startswith("1:10.")
    assert "policy-rc.d forbids service actions" in done.stderr
    locked_out = host.ssh("true", check=False)
    assert locked_out.returncode == 255
    assert "closed by" in locked_out.stderr or "reset by peer" in locked_out.stderr
    assert host.heal("check").returncode == 2
    host.run("rm", policy)
    host.heals()
    assert host.ssh("echo in").stdout == "in\n"


def test_another_port_on_disk_is_not_taken_up_unattended(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    host.sh("echo 'Port 2222' >>/etc/ssh/sshd_config")
    host.leaves_alone(pid, 1, "it would not listen on 0.0.0.0:22 any more")
    assert host.ssh("echo in").stdout == "in\n"


def test_a_listen_address_that_is_away_for_now_is_no_lockout(host):
    host.run("ip", "addr", "add", "10.99.0.1/32", "dev", "lo")
    host.sh("printf 'ListenAddress 127.0.0.1\\nListenAddress 10.99.0.1\\n' >>/etc/ssh/sshd_config")
    host.run("systemctl", "restart", "ssh.service")
    pid = host.listener()
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.run("ip", "addr", "del", "10.99.0.1/32", "dev", "lo")
    host.leaves_alone(pid, 1, "this host has no address for 10.99.0.1:22 now")
    host.run("ip", "addr", "add", "10.99.0.1/32", "dev", "lo")
    host.heals()
    assert host.ssh("echo in").stdout == "in\n"


def test_a_unit_that_would_start_another_program_is_left_alone(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    host.run("cp", "/usr/sbin/sshd", "/usr/local/sbin/sshd")
    host.drop_in("ssh.service", "[Service]\nExecStart=\nExecStart=/usr/local/sbin/sshd -D\n")
    host.leaves_alone(pid, 1, "ssh.service starts /usr/local/sbin/sshd, "
                      "but /usr/sbin/sshd is what runs")


def test_algorithms_that_libssh_lacks_are_no_obstacle(host):
    host.sh("echo 'KexAlgorithms sntrup761x25519-sha512@openssh.com' >>/etc/ssh/sshd_config")
    host.run("systemctl", "restart", "ssh.service")
    host.upgrade_unnoticed(*roots.UPGRADE)
    host.heals()
    assert host.ssh("echo in").stdout == "in\n"


def test_loopback_that_drops_everything_hangs_nobody(host):
    host.upgrade_unnoticed(*roots.UPGRADE)
    pid = host.listener()
    host.run("ip", "link", "set", "lo", "down")
    host.leaves_alone(pid, 1, "could not be tried", timeout=25)
