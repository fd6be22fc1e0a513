#!/bin/sh
# Stands in for a service in the tests of Child. FIXTURE picks what it does.
log="$SHOP_LOG_DIR/rust_app_fixture.log"
mkdir -p "$SHOP_LOG_DIR"
env | sort > "$SHOP_LOG_DIR/environment"

case "$FIXTURE" in
fails)
    echo "SHOP_X: no such thing" >&2
    exit 64
    ;;
rotates)
    echo '{"n":1}' > "$log.2"
    echo '{"n":2}' > "$log.1"
    ;;
family)
    sleep 120 &
    ;;
esac

stop() {
    echo '{"event.name":"service.stopped"}' >> "$log"
    echo "stopping" >&2
    exit 7
}
trap stop TERM
echo '{"event.name":"service.started"}' >> "$log"
echo '{"event.name":"service.listening","server.address":"127.0.0.1","server.port":4242}' >> "$log"
[ "$FIXTURE" = midline ] && printf '{"event.name":"incompl' >> "$log"
while :; do
    sleep 0.05
done
