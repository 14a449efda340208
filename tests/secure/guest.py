"""Who comes in: a user with a password and rights of his own, or one with a certificate; and his pipeline."""

from cases.starting import copy_graph

from vault import Vault

WHOLE = [("in", "topic"), ("copy", "topic"), ("dead", "topic"), ("group", "group"), ("ids", "transactional_id")]
OPERATIONS = {"in": ["READ"], "copy": ["WRITE", "DESCRIBE_CONFIGS"], "group": ["READ"], "ids": ["WRITE"]}
OPERATIONS["dead"] = OPERATIONS["copy"]


class Guest:
    """rights: those of WHOLE that are granted at the beginning. librdkafka's debug log is part of what is searched."""

    def __init__(self, place, rights=None, name="guest"):
        self.place, self.vault = place, Vault(place)
        self.user = f"{place.name.replace('_', '-')}-{name}"
        self.principal = f"User:{self.user}"
        self.topic, self.target, self.dead = place.create(**{"in": 2, "copy": 2, "dead": 1})
        self.graph = copy_graph(place, [self.topic])
        self.graph.top["log"] = {"level": "debug"}
        self.group = self.graph.top["pipeline"]
        for what, _ in WHOLE:
            if rights is None or what in rights:
                self.grant(what)

    def resource(self, what):
        kind = dict(WHOLE)[what]
        name = {"in": self.topic, "copy": self.target, "dead": self.dead, "group": self.group, "ids": self.group + "."}
        return {"resource": kind, "name": name[what], "prefixed": what == "ids", "principal": self.principal}

    def grant(self, what):
        for operation in OPERATIONS[what]:
            self.place.kafka("allow", operation=operation, **self.resource(what))

    def revoke(self, what):
        self.place.kafka("forgetAccess", **self.resource(what))

    def grant_all(self):
        for what, _ in WHOLE:
            self.grant(what)

    def revoke_all(self):
        for what, _ in WHOLE:
            self.revoke(what)

    def by_password(self, listener="SECURE", **changes):
        """His pipeline comes in with user and password."""
        self.password = self.vault.secret()
        self.place.kafka("scramUser", user=self.user, password=self.password)
        self.password_file = self.vault.write("password", self.password)
        return self.connect(
            listener,
            {
                "security.protocol": "SASL_SSL",
                "ssl.ca.location": self.place.broker.authority.pem,
                "sasl.mechanism": "SCRAM-SHA-512",
                "sasl.username": self.user,
                "sasl.password": "${file:%s}" % self.password_file,
                **changes,
            },
        )

    def connect(self, listener, properties):
        self.graph.top["kafka"].update(
            brokers=[self.place.broker.at(listener)],
            properties={"broker.address.family": "v4", "debug": "all", **properties},
        )
        return self

    def daemon(self, **more):
        daemon = self.place.daemon(self.graph, start=False, stop={"refused": "2s", "timeout": "5s"}, **more)
        return daemon.start()

    def in_a_hurry(self):
        """Answers that do not come are given up soon: only for who will be refused."""
        self.graph.top["kafka"].update(commit_deadline="2s", message_timeout="2s", socket_timeout="2s")
        return self

    def refused(self, daemon, *words, seconds=25):
        """It ends with 5, and says why."""
        code, _ = daemon.wait_end(seconds)
        assert code == 5, f"ended with {code}\n{daemon.tail()}"
        last = " ".join(line for line in daemon.log_text().splitlines() if " ended " in line or "stop" in line)[-2000:]
        missing = [word for word in words if word.lower() not in last.lower()]
        assert not missing, f"its end does not say {missing}:\n{daemon.tail(5)}"
        self.vault.search([self.dead], proof=self.group)

    def finish(self, daemon, records):
        """Nothing is left to read, everything is there once, and no secret was told."""
        self.place.drained(self.graph, 45, daemon)
        daemon.wait_ready(25)
        self.vault.hear(daemon)
        daemon.stop()
        assert self.place.judge(self.graph).counts["outputs"] == records
        self.vault.search([self.dead], proof=self.group)
