"""What stands before the service, and how a release comes to a host."""

from tests.mutants import Mutant

DEPLOYED = (
    Mutant(
        "nginx: a stranger is not believed",
        "deploy/nginx/nginx.conf",
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        "tests/network/test_nginx.py -k stranger",
    ),
    Mutant(
        "nginx: a DELETE is sent once",
        "deploy/nginx/nginx.conf",
        '"^(GET|HEAD|OPTIONS|POST|PATCH)$"',
        '"^(GET|HEAD|OPTIONS|POST|PATCH|DELETE)$"',
        "tests/network/test_nginx.py -k only_what_reads",
    ),
    Mutant(
        "nginx: files of the console may be large",
        "deploy/nginx/nginx.conf",
        "^/(customers|console)/imports/?$",
        "^/customers/imports/?$",
        "tests/network/test_nginx.py -k only_an_import",
    ),
    Mutant(
        "nginx: few files of one address",
        "deploy/nginx/nginx.conf",
        "            limit_conn uploads_of_one 2;\n",
        "",
        "tests/network/test_nginx.py -k two_files",
    ),
    Mutant(
        "nginx: who sends no file is not counted",
        "deploy/nginx/nginx.conf",
        "limit_conn_zone $uploading_from zone",
        "limit_conn_zone $binary_remote_addr zone",
        "tests/network/test_nginx.py -k two_files",
    ),
    Mutant(
        "nginx: a proxy that is named is believed",
        "deploy/nginx/nginx.conf",
        "    include /tmp/nginx/believed;\n",
        "",
        "tests/network/test_nginx.py -k 'believed'",
    ),
    Mutant(
        "nginx: what it cannot read is refused as a problem",
        "deploy/nginx/nginx.conf",
        "error_page 400 404 405",
        "error_page 404 405",
        "tests/network/test_nginx.py -k refuses",
    ),
    Mutant(
        "nginx: no insane name of a request",
        "deploy/nginx/nginx.conf",
        "{1,128}$",
        "",
        "tests/network/test_nginx.py -k sane",
    ),
    Mutant(
        "nginx: the service knows a request by the same name",
        "deploy/nginx/nginx.conf",
        "        proxy_set_header X-Request-ID $asked_as;\n",
        "",
        "tests/network/test_nginx.py -k 'sane or only_what_reads'",
    ),
    Mutant(
        "compose: the service believes nginx, whoever else is named",
        "docker-compose.yml",
        "172.31.255.2,${TRUSTED_PROXIES:-}",
        "${TRUSTED_PROXIES:-172.31.255.2}",
        "tests/test_delivery.py -k proxy_that_is_named",
    ),
    Mutant(
        "compose: nobody takes nginx's address before it starts",
        "docker-compose.yml",
        "          ip_range: 172.31.255.128/25\n",
        "          ip_range: 172.31.255.0/25\n",
        "tests/test_delivery.py -k believe_nginx",
    ),
    Mutant(
        "compose: nginx may give its folders to its workers",
        "docker-compose.yml",
        "cap_add: [CHOWN, KILL,",
        "cap_add: [KILL,",
        "tests/test_delivery.py -k capabilities",
    ),
    Mutant(
        "pgbouncer: reads have the service's limits",
        "deploy/pgbouncer.sh",
        "${DATABASE_STATEMENT_TIMEOUT_MS:-10000}",
        "10000",
        "tests/test_deploy_scripts.py -k limits",
    ),
    Mutant(
        "alerts: a file that is sent to the console is no slow route",
        "deploy/observability/alerts.yml",
        "(export|imports|login)/?",
        "(export|imports|login)",
        "tests/telemetry/test_observability.py -k take_long",
    ),
)
