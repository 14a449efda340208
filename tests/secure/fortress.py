"""The broker of these tests: listeners with TLS and SCRAM, rights only for who was given them."""

import os
import selectors
import socket
import threading

from harness.broker import Broker
from harness.daemon import free_port

from authority import Authority

NAMES = ("DNS:localhost", "IP:127.0.0.1")


class Relay:
    """Passes connections on to a port, and can cut them all: the only way to make a client connect anew when asked."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.lock = threading.Lock()
        self.pairs = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.closing = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.closing:
            for key, _ in self.selector.select(0.1):
                with self.lock:
                    if key.fileobj is self.listener:
                        self.accept()
                    elif key.fileobj in self.pairs:
                        self.move(key.fileobj)

    def accept(self):
        client, _ = self.listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self.pairs[one] = other
            self.selector.register(one, selectors.EVENT_READ)

    def move(self, source):
        try:
            data = source.recv(1 << 16)
            if data:
                self.pairs[source].sendall(data)
                return
        except OSError:
            pass
        self.drop(source)

    def drop(self, one):
        for each in (one, self.pairs[one]):
            self.selector.unregister(each)
            del self.pairs[each]
            each.close()

    def cut(self):
        """Ends every connection; gives their number."""
        with self.lock:
            count = 0
            while self.pairs:
                self.drop(next(iter(self.pairs)))
                count += 1
        return count

    def close(self):
        self.closing = True
        self.thread.join(5)
        self.cut()
        self.listener.close()


class SecureBroker(Broker):
    """Tests come in by the PLAINTEXT listener, where they may do everything; daemons by the others:

    SECURE    TLS and SCRAM-SHA-512
    MISNAMED  the same, but the certificate names another host
    MUTUAL    TLS with a certificate of the client's
    RELAYED   as SECURE, and CUTTABLE as MUTUAL, both behind a relay
    """

    SCRAM = ("SECURE", "MISNAMED", "RELAYED")
    TLS = ("MUTUAL", "CUTTABLE")

    def __init__(self, directory):
        super().__init__(directory, port=free_port())
        self.house = os.path.join(os.path.dirname(directory), "authority")
        self.ports = {name: free_port() for name in (*self.SCRAM, *self.TLS, "CONTROLLER")}
        self.relays = {}

    def start(self):
        self.authority = Authority(self.house, "trusted")
        self.stranger = Authority(self.house, "stranger")
        right = self.authority.keystore("broker", NAMES)
        wrong = self.authority.keystore("misnamed", ("DNS:elsewhere.example",))
        for name in ("RELAYED", "CUTTABLE"):
            self.relays[name] = Relay(self.ports[name])
        self.settings = self.all_settings(right, wrong)
        return super().start()

    def all_settings(self, right, wrong):
        named = [*self.SCRAM, *self.TLS]
        own = {"PLAINTEXT": f"PLAINTEXT://127.0.0.1:{self.port}"}
        listeners = {**own, **{name: f"{name}://127.0.0.1:{self.ports[name]}" for name in (*named, "CONTROLLER")}}
        advertised = {**own, **{name: f"{name}://{self.at(name)}" for name in named}}
        protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
        protocols.update({name: "SASL_SSL" for name in self.SCRAM}, **{name: "SSL" for name in self.TLS})
        values = {
            "listeners": ",".join(listeners.values()),
            "advertised.listeners": ",".join(advertised.values()),
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "controller.quorum.voters": f"1@127.0.0.1:{self.ports['CONTROLLER']}",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        }
        for name in self.SCRAM + self.TLS:
            prefix = f"listener.name.{name.lower()}."
            values[prefix + "ssl.keystore.type"] = "PEM"
            values[prefix + "ssl.keystore.location"] = wrong if name == "MISNAMED" else right
            if name in self.SCRAM:
                login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
                values[prefix + "scram-sha-512.sasl.jaas.config"] = login
            else:
                values[prefix + "ssl.client.auth"] = "required"
                values[prefix + "ssl.truststore.type"] = "PEM"
                values[prefix + "ssl.truststore.location"] = self.authority.pem
        return [f"{key}={value}" for key, value in values.items()]

    def at(self, name):
        """The address of a listener, as daemons are told it."""
        relay = self.relays.get(name)
        return f"localhost:{relay.port if relay else self.ports[name]}"

    def reset(self):
        super().reset()
        for relay in self.relays.values():
            relay.close()
        self.relays = {}
