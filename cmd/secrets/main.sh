#!/bin/sh
# Secrets of the full stack, in .env. docker compose refuses to start without them. Needs a shell and Docker, no Python.
#
#   sh cmd/secrets/main.sh           before `make up` and `make infra`: writes .env if neither it nor a volume of this project
#                                    exists; does nothing if no secret is missing; else stops and says what to do
#   sh cmd/secrets/main.sh --write   writes the missing secrets to .env, whatever volumes there are
set -eu
cd "$(dirname "$0")/../.."

SECRETS="DB_PASSWORD MINIO_ROOT_PASSWORD MINIO_SECRET_KEY LINK_KEYS"
COMPOSE=${COMPOSE:-docker compose}

# Prints the resolved compose file. Arguments are further variables, as NAME=VALUE.
compose_config() { env "$@" $COMPOSE config 2>/dev/null; }

# Prints the missing secrets: those without which compose fails.
missing_secrets() {
    for secret in $SECRETS; do
        others=""
        for other in $SECRETS; do
            [ "$other" = "$secret" ] || others="$others $other=x"
        done
        compose_config $others >/dev/null || printf '%s ' "$secret"
    done
}

# Prints a new value of the secret $1. No value needs quotes anywhere.
new_secret() {
    case $1 in
        LINK_KEYS) key=$(random 32 44 base64) && printf 'k%s:%s' "$(date +%Y%m%d)" "$key" ;;  # its name, and what signs links
        *) random 20 40 od -An -tx1 ;;
    esac
}

# Prints $1 random bytes, in the $2 characters that the command makes of them.
random() {
    count=$1 length=$2
    shift 2
    text=$(head -c "$count" /dev/urandom | "$@" | tr -d ' \n')
    [ ${#text} = "$length" ] || { echo "/dev/urandom or $1 does not work" >&2; exit 1; }
    printf '%s' "$text"
}

write_env() {
    umask 077
    lines=""
    for secret in $missing; do
        value=$(new_secret "$secret")
        lines="$lines$secret=$value
"
    done
    if [ -e .env ]; then
        [ -z "$(tail -c 1 .env)" ] || echo >>.env
        chmod go= .env
        printf '%s' "$lines" >>.env
    else
        set -C  # of two concurrent runs, one writes the file
        # The names are compose's defaults; a process that is started from the shell has no defaults.
        printf '# Secrets of the full stack, made by `make up`. Keep them with its volumes.\n%s\n%s\n%s' \
            "MINIO_ROOT_USER=${MINIO_ROOT_USER:-minioadmin}" "MINIO_ACCESS_KEY=${MINIO_ACCESS_KEY:-image-processor}" "$lines" >.env
    fi
    echo "The new secrets are in .env: $missing"
}

compose_config >/dev/null && exit 0
all=$(for secret in $SECRETS; do echo "$secret=x"; done)
filled=$(compose_config $all) || { env $all $COMPOSE config --quiet; exit 1; }
missing=$(missing_secrets)
if [ "${1:-}" = --write ]; then
    write_env
    exit
fi

project=$(printf '%s\n' "$filled" | sed -n 's/^name: //p' | tr -d "\"'")
# Volumes that compose created, and volumes with their names, which may have been restored from a backup.
names=$(printf '%s\n' "$filled" | sed -n '/^volumes:/,/^[^ ]/s/^    name: //p' | tr -d "\"'")
labelled=$(docker volume ls --quiet --filter "label=com.docker.compose.project=$project")
known=$(docker volume ls --quiet)
volumes=$labelled$(printf '%s\n' "$known" | grep -Fx -- "$names" || true)
if [ ! -e .env ] && [ -z "$volumes" ]; then
    write_env
    exit
fi

{
    if [ -e .env ]; then
        echo "The file .env lacks: $missing"
    else
        echo "There is no .env with the secrets of the full stack, but the project $project has data, under the passwords that it was made with."
    fi
    echo "Nothing was started. What follows makes new secrets and keeps the data; then run make up again:"
    echo
    echo "    make secrets"
    case " $missing " in *" DB_PASSWORD "*)
        if [ -n "$volumes" ]; then
            user=$(printf '%s\n' "$filled" | sed -n 's/^ *POSTGRES_USER: //p' | tr -d "\"'")
            echo "    docker compose up --detach --wait postgres && docker compose exec -T postgres psql -U $user -d postgres" \
                "-c \"ALTER ROLE CURRENT_USER PASSWORD '\$(sed -n s/^DB_PASSWORD=//p .env)'\""
        fi
    esac
    echo
    case " $missing " in *MINIO*) echo "MinIO and the account of API and worker in it take their new secrets at the next start." ;; esac
    case " $missing " in *" LINK_KEYS "*)
        echo "From this version on the API lets in whoever has a key: docs/running/upgrade.md says how clients get one, and how to keep it open."
    esac
} >&2
exit 1
