"""Certificates of a test, made with the openssl program: authorities, brokers' and clients' certificates."""

import os
import subprocess


def openssl(*words, text=None):
    result = subprocess.run(["openssl", *words], input=text, capture_output=True, text=True, timeout=30)
    if result.returncode != 0:
        raise RuntimeError(f"openssl {words[0]}: {result.stderr}")


def new_key(path, password=None):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    os.chmod(path, 0o600)
    if password:
        words = ["-in", path, "-out", path + ".locked", "-passout", f"pass:{password}"]
        openssl("pkcs8", "-topk8", "-v2", "aes256", *words)
        os.replace(path + ".locked", path)
        os.chmod(path, 0o600)


class Authority:
    """An authority that signs; `pem` is what who believes it is given."""

    def __init__(self, directory, name):
        os.makedirs(directory, exist_ok=True)
        self.directory, self.name = directory, name
        self.key, self.pem = self.path("key"), self.path("pem")
        new_key(self.key)
        openssl("req", "-x509", "-new", "-key", self.key, "-days", "2", "-subj", f"/CN={name}", "-out", self.pem)

    def path(self, ending, who=None):
        return os.path.join(self.directory, f"{self.name}{'-' + who if who else ''}.{ending}")

    def sign(self, who, names=(), password=None):
        """(certificate, key), as paths. names: as in subjectAltName, e.g. DNS:localhost."""
        key, request, certificate = self.path("key", who), self.path("csr", who), self.path("crt", who)
        new_key(key, password)
        unlock = ["-passin", f"pass:{password}"] if password else []
        openssl("req", "-new", "-key", key, *unlock, "-subj", f"/CN={who}", "-out", request)
        more = self.path("ext", who)
        with open(more, "w") as file:
            file.write("basicConstraints=CA:FALSE\n" + (f"subjectAltName={','.join(names)}\n" if names else ""))
        openssl(
            "x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key, "-CAcreateserial", "-days", "2",
            "-extfile", more, "-out", certificate,
        )  # fmt: skip
        return certificate, key

    def keystore(self, who, names, number=1):
        """One file with key and certificate, as a broker takes it; another number gives new ones of the same name."""
        certificate, key = self.sign(who, names)
        path = self.path(f"store{number}", who)
        with open(path, "w") as store:
            for part in (key, certificate):
                with open(part) as file:
                    store.write(file.read())
        return path
