"""The secrets of a case, each a word that exists nowhere else, and the search for them in everything that was said."""

import os
import secrets


class Vault:
    """Lies beside the case's folder, never in it: what lies in that folder is searched."""

    def __init__(self, place):
        self.place = place
        self.directory = os.path.join(place.rig.directory, "vault", place.name)
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.words = []
        self.said = []

    def secret(self):
        word = "canary" + secrets.token_hex(12)
        self.words.append(word)
        return word

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, word):
        """The path of a file that holds this."""
        path = self.path(name)
        with open(path + ".new", "w") as file:
            os.chmod(path + ".new", 0o600)
            file.write(word + "\n")
        os.replace(path + ".new", path)
        return path

    def hear(self, daemon, **words):
        """Every page that the daemon serves now."""
        for path in ("/", "/status.json", "/metrics", "/healthz", "/readyz"):
            status, text = daemon.get(path, **words)
            if status:
                self.said.append((f"{path} of {daemon.directory}", text.encode()))

    def search(self, topics=(), proof=""):
        """Searches what was said, each file of the case and these topics. proof: a word that must be found, or the
        search has not looked where the daemons talk."""
        looked, found, proven = 0, [], False
        for where, data in [*self.said, *self.files(), *self.records(topics)]:
            looked += len(data)
            found += [where for word in self.words if word.encode() in data]
            proven = proven or proof.encode() in data
        assert not found, f"a secret stands in {sorted(set(found))}"
        assert self.words and looked > 1000 and proven, f"{len(self.words)} secrets, {looked} bytes looked at"
        self.place.note(f"{len(self.words)} secrets not in {looked >> 10} KiB")

    def files(self):
        for directory, _, names in os.walk(self.place.directory):
            for name in names:
                path = os.path.join(directory, name)
                if not os.path.isfile(path):
                    continue  # the control socket holds nothing
                with open(path, "rb") as file:
                    yield name, file.read()

    def records(self, topics):
        if not topics:
            return
        for record in self.place.read(list(topics)):
            yield record.where(), b"".join(
                part or b"" for part in (record.key, record.value, *(one for _, one in record.headers))
            )
