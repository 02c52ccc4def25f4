own: host_vars
ansible_port: 2222
