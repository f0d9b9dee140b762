# SPDX-License-Identifier: GPL-2.0-or-later
# bash completion for sshd-heal(8)

_sshd_heal() {
	local word=${COMP_WORDS[COMP_CWORD]} verb=
	local i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		check | heal | diagnose | hook) verb=${COMP_WORDS[i]} ;;
		esac
	done
	case $word in
	-*)
		mapfile -t COMPREPLY < <(compgen -W \
			'--dry-run --format=text --format=json --root= --config= --from= --user= --help --version' -- "$word")
		[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
		;;
	*)
		case $verb in
		'') mapfile -t COMPREPLY < <(compgen -W 'check heal diagnose hook' -- "$word") ;;
		hook) mapfile -t COMPREPLY < <(compgen -W \
			'apt apt-pre-install dnf4 dnf5 dpkg rpm service service-now yum' -- "$word") ;;
		esac
		;;
	esac
}
complete -F _sshd_heal sshd-heal
