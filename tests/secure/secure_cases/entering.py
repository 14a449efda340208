"""Who gets in, who does not, and what is said about it."""

import os
import re
import shlex
import subprocess

import yaml
from cases.starting import numbered
from harness.case import ROOT, case
from harness.daemon import Dumper
from harness.model import Graph
from harness.runner import VERSION
from harness.tool import jars

from guest import Guest
from vault import Vault

PAGE = os.path.join(ROOT, "runbooks", "reference", "security.md")


def blocks_of(language):
    with open(PAGE) as file:
        return re.findall(rf"^```{language}\n(.*?)^```", file.read(), re.M | re.S)


def grant_as_documented(place, text):
    """The page's own lines, by Kafka's own program; only the address is another. All in one Java machine each."""
    lines = [line for line in text.splitlines() if line.startswith("kafka-acls ")]
    for line in lines:
        words = shlex.split(line.replace("kafka-1.example:9094", place.address))[1:]
        command = ["java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", jars(VERSION)]
        result = subprocess.run(
            [*command, "org.apache.kafka.tools.AclCommand", *words], capture_output=True, text=True, timeout=60
        )
        assert result.returncode == 0, f"{line}: {result.stdout}{result.stderr}"
    return len(lines)


def check(place, daemon, *words):
    result = subprocess.run(
        [place.rig.binary, "check", daemon.file, *words],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **daemon.environment},
    )
    return result.returncode, result.stdout + result.stderr


@case(seconds=90)
def documented_pipeline(place):
    """The page's pipeline with the page's rights, word for word: exact, and nothing that it does not need"""
    vault = Vault(place)
    document = yaml.safe_load(next(block for block in blocks_of("yaml") if "destinations:" in block))
    password, token = vault.secret(), vault.secret()
    vault.write("kafka-password", password)
    vault.write("http-token", token)
    properties = document["kafka"]["properties"]
    place.kafka("scramUser", user=properties["sasl.username"], password=password)
    document["kafka"]["brokers"] = [place.broker.at("SECURE")]
    properties.update({"ssl.ca.location": place.broker.authority.pem, "broker.address.family": "v4", "debug": "all"})
    (topic,), dead = document["sources"]["edits"]["topics"], document["dead_letters"]["topic"]
    target = document["destinations"]["humans"]["topic"]
    place.kafka("createTopics", topics={name: {"partitions": 2} for name in (topic, target, dead)})
    assert grant_as_documented(place, next(block for block in blocks_of("sh") if "kafka-acls" in block)) == 4
    document["sources"]["edits"]["start"] = "earliest"
    document["log"] = {"level": "debug"}

    graph = Graph(document["pipeline"], dead)
    graph.source("edits", [topic])
    graph.filter("humans", "edits", "", lambda item: not item.value["isRobot"])
    graph.destination("humans", "humans", target, 2)
    plain = [record._replace(value=b'{"isRobot":%s}' % (b"true" if n % 4 == 0 else b"false"))
             for n, record in enumerate(numbered(topic, 0, 800))]  # fmt: skip
    broken = [record._replace(value=b"no JSON") for record in numbered(topic, 800, 820)]
    place.produce(plain + broken)

    daemon = place.daemon(WholeFile(document), start=False)
    daemon.environment = {"CREDENTIALS_DIRECTORY": vault.directory}
    code, said = check(place, daemon)
    assert code == 0, said
    vault.said.append(("check", said.encode()))
    code, said = check(place, daemon, "--connect")
    assert code == 0 and not re.search("^(warning|error)", said, re.M), said
    vault.said.append(("check --connect", said.encode()))
    daemon.start()
    place.drained(graph, 40, daemon)
    assert daemon.get("/metrics")[0] == 401, "without the token"
    status, text = daemon.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert status == 200, text
    vault.hear(daemon, headers={"Authorization": f"Bearer {token}"})
    daemon.stop()
    verdict = place.judge(graph)
    assert verdict.counts["outputs"] == 600 and verdict.counts["dead"] == 20, dict(verdict.counts)
    vault.search([dead], proof="millrace-wikipedia")


class WholeFile:
    """A pipeline that is a text already."""

    def __init__(self, document):
        self.document, self.top = document, document

    def yaml(self):
        return yaml.safe_load(yaml.dump(self.document, Dumper=Dumper))


@case(seconds=60)
def wrong_authority(place):
    """A broker with a certificate of an authority that the file does not name: exit 5, and it is said"""
    guest = Guest(place).by_password(**{"ssl.ca.location": place.broker.stranger.pem})
    guest.refused(guest.in_a_hurry().daemon(), "certificate")


@case(seconds=60)
def wrong_host_name(place):
    """A broker whose certificate is of another host: exit 5, and the certificate is named"""
    guest = Guest(place).by_password("MISNAMED")
    guest.refused(guest.in_a_hurry().daemon(), "certificate")


@case(seconds=60)
def unknown_user(place):
    """A user that the brokers do not know: exit 5; `check --connect` says the same"""
    guest = Guest(place).by_password(**{"sasl.username": f"nobody-{Guest.__name__}"})
    daemon = guest.in_a_hurry().daemon()
    code, said = check(place, daemon, "--connect")
    guest.vault.said.append(("check", said.encode()))
    assert code != 0 and "authentication" in said.lower(), said
    guest.refused(daemon, "authentication")


@case(seconds=60)
def wrong_password(place):
    """A wrong password: exit 5"""
    guest = Guest(place).by_password()
    guest.vault.write("password", guest.vault.secret())
    guest.refused(guest.in_a_hurry().daemon(), "authentication")


@case(seconds=60)
def password_in_the_file(place):
    """A password in the file itself is refused, and not repeated in the answer"""
    guest = Guest(place)
    guest.by_password(**{"sasl.password": guest.vault.secret()})
    daemon = place.daemon(guest.graph, start=False)
    code, said = check(place, daemon)
    assert code == 78 and "must not stand in the file" in said, (code, said)
    os.unlink(daemon.file)  # it holds the secret, as whoever wrote it wanted
    guest.vault.said.append(("check", said.encode() + b" " * 1000))
    guest.vault.search(proof="sasl.password")


@case(seconds=60)
def certificate_and_locked_key(place):
    """A certificate instead of a password, with a key that has a pass phrase from the environment"""
    guest = Guest(place)
    phrase = guest.vault.secret()
    certificate, key = place.broker.authority.sign(guest.user, password=phrase)
    guest.connect("MUTUAL", mutual(place, certificate, key, **{"ssl.key.password": "${env:KEY_PHRASE}"}))
    guest.revoke_all()
    guest.principal = f"User:CN={guest.user}"
    guest.grant_all()
    place.produce(numbered(guest.topic, 0, 300))
    daemon = place.daemon(guest.graph, start=False)
    daemon.environment = {"KEY_PHRASE": phrase}
    daemon.start()
    guest.finish(daemon, 300)


def mutual(place, certificate, key, **more):
    return {
        "security.protocol": "SSL",
        "ssl.ca.location": place.broker.authority.pem,
        "ssl.certificate.location": certificate,
        "ssl.key.location": key,
        **more,
    }


@case(seconds=60)
def stranger_with_a_certificate(place):
    """A client's certificate of an authority that the brokers do not believe: exit 5"""
    guest = Guest(place)
    certificate, key = place.broker.stranger.sign(guest.user)
    guest.vault.secret()
    guest.connect("MUTUAL", mutual(place, certificate, key))
    guest.refused(guest.in_a_hurry().daemon(), "alert")
