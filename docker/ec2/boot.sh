#!/bin/sh
# Fetches the farm's own program, proves that it is the one that was asked for,
# and starts the worker. Whatever fails here ends the machine.
set -eua # what boot.env says, the programs below read too
. /etc/bobine/boot.env

lacking=''
for program in ffmpeg ffprobe aws; do
	command -v "$program" >/dev/null || lacking="$lacking $program"
done
if [ -n "$lacking" ]; then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	apt-get install -y --no-install-recommends ffmpeg awscli
fi

id bobine >/dev/null 2>&1 || useradd --system --home-dir /var/lib/bobine bobine
mkdir -p /opt/bobine
aws s3 cp --only-show-errors "$BOOT_PROGRAM" /opt/bobine/bobine.new
echo "$BOOT_SHA256  /opt/bobine/bobine.new" | sha256sum --check --quiet -
chmod 0755 /opt/bobine/bobine.new
mv /opt/bobine/bobine.new /opt/bobine/bobine

# The password of Redis lies in Parameter Store and is read by the machine's
# role: it stands in no user data.
if [ -n "${BOOT_REDIS_PARAMETER:-}" ]; then
	(umask 077 && aws ssm get-parameter --with-decryption --name "$BOOT_REDIS_PARAMETER" \
		--query Parameter.Value --output text >/etc/bobine/redis.password)
	chown bobine /etc/bobine/redis.password
fi
exec systemctl start --no-block bobine-work.service
