// Package e2e tests Postrider from outside, as its users see it: it builds the real binary, runs it as processes and
// containers on a real Postgres, drives it with the official Svix SDK and with plain HTTP, and verifies every webhook
// that arrives with the Standard Webhooks library. It must not know any internals, and declares the JSON it reads
// itself.
//
// All settings are optional:
//
//	E2E_BACKEND         "docker": Postgres must run in a container, and the images must build. If it is
//	                    unset, a machine that cannot do that uses a local Postgres and says so.
//	                    "local": a local Postgres.
//	E2E_POSTGRES_IMAGE  the image of that container (postgres:17)
//	E2E_CITUS           "on": that image is Citus, and each test's schema is distributed; needs E2E_BACKEND=docker
//	GO_IMAGE            the image that the images are built with, as in deploy/Dockerfile
//	E2E_LABEL           name=value, a label for all containers, networks and images that the tests create
//	E2E_POOLER          "pgbouncer": all processes reach their databases through a PgBouncer, which must be
//	                    installed, and migrate and listen on a direct URL. "pgbouncer-only": they have no
//	                    direct URL, except for databases that are not migrated yet.
//	E2E_PGBOUNCER       "required": the few tests that always need a PgBouncer fail if there is none.
//	E2E_BASE_URL        a running deployment to test instead; it requires
//	E2E_TOKEN           a token of an organisation there, and
//	E2E_RECEIVER_HOST   the name by which the deployment reaches receivers on this machine. Tests that
//	                    cannot run against a deployment are skipped and say why.
package e2e
