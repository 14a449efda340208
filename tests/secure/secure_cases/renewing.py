"""Passwords, certificates and authorities that change while it runs."""

import socket
import ssl

from cases.starting import numbered
from cases.weather import said
from harness.case import case

from authority import Authority
from fortress import NAMES
from guest import Guest

from .entering import mutual


def flows(place, guest, daemon, first, count=200):
    # A consumer that was refused may be made anew once a minute.
    place.produce(numbered(guest.topic, first, first + count))
    return place.drained(guest.graph, 150, daemon)


@case(seconds=240)
def password_renewed(place):
    """A new password on the brokers and in the file, then every connection cut: it goes on with the new one"""
    guest = Guest(place).by_password("RELAYED")
    daemon = guest.daemon()
    flows(place, guest, daemon, 0)
    renewed = guest.vault.secret()
    place.kafka("scramUser", user=guest.user, password=renewed)
    guest.vault.write("password", renewed)
    assert place.broker.relays["RELAYED"].cut() > 0
    place.note(f"flows {flows(place, guest, daemon, 200):.1f} s after")
    guest.finish(daemon, 400)


@case(seconds=180)
def brokers_certificate_renewed(place):
    """The broker has a new certificate of the same authority, every connection is cut: nobody notices"""
    guest = Guest(place).by_password("RELAYED")
    daemon = guest.daemon()
    flows(place, guest, daemon, 0)
    before = shown_at(place.broker.ports["RELAYED"])
    renewed = place.broker.authority.keystore("broker", NAMES, 2)
    place.kafka("alterConfig", broker="1", configs={"listener.name.relayed.ssl.keystore.location": renewed})
    place.until(lambda: shown_at(place.broker.ports["RELAYED"]) != before, 20, "new certificate")
    assert place.broker.relays["RELAYED"].cut() > 0
    place.note(f"flows {flows(place, guest, daemon, 200):.1f} s after")
    guest.finish(daemon, 400)


def shown_at(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


@case(seconds=240)
def certificates_renewed(place):
    """Authority and certificates replaced on both sides, all connections cut: it goes on with the new ones"""
    guest = Guest(place)
    guest.revoke_all()
    guest.principal = f"User:CN={guest.user}"
    guest.grant_all()
    guest.vault.secret()
    # Files under names that stay, as a renewing agent leaves them.
    old, new = place.broker.authority, Authority(place.broker.house, "renewed")
    files = {name: guest.vault.path(name) for name in ("ca.pem", "client.crt", "client.key")}

    def hand_over(authority):
        certificate, key = authority.sign(guest.user)
        for name, source in zip(files, (authority.pem, certificate, key), strict=True):
            with open(source) as file:
                guest.vault.write(name, file.read())

    hand_over(old)
    guest.connect("CUTTABLE", {**mutual(place, files["client.crt"], files["client.key"]),
                               "ssl.ca.location": files["ca.pem"]})  # fmt: skip
    daemon = guest.daemon()
    flows(place, guest, daemon, 0)
    hand_over(new)
    prefix = "listener.name.cuttable.ssl."
    # One after the other: a broker looks at a new certificate with the authorities that it has.
    place.kafka("alterConfig", broker="1", configs={prefix + "truststore.location": both(new, old)})
    place.kafka("alterConfig", broker="1", configs={prefix + "keystore.location": new.keystore("broker", NAMES)})
    place.kafka("alterConfig", broker="1", configs={prefix + "truststore.location": new.pem})
    port = place.broker.ports["CUTTABLE"]
    place.until(lambda: believes(port, new, new, guest.user), 20, "broker with the new certificate")
    place.until(lambda: not believes(port, new, old, guest.user), 20, "broker that refuses the old authority")
    assert place.broker.relays["CUTTABLE"].cut() > 0
    place.produce(numbered(guest.topic, 200, 400))
    daemon.wait(lambda: said(daemon, "certificate"), 30, "/readyz with the certificate")
    place.note(f"flows {place.drained(guest.graph, 150, daemon):.1f} s after")
    guest.finish(daemon, 400)


def believes(port, server, client, who):
    """Whether client and broker believe each other, with the server's and the client's authority."""
    context = ssl.create_default_context(cafile=server.pem)
    context.load_cert_chain(client.path("crt", who), client.path("key", who))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            with context.wrap_socket(plain, server_hostname="localhost") as channel:
                # The broker's refusal comes with the first answer.
                channel.settimeout(0.5)
                return channel.recv(1) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def both(first, second):
    path = first.path("both.pem")
    with open(path, "w") as bundle:
        for authority in (first, second):
            with open(authority.pem) as file:
                bundle.write(file.read())
    return path
