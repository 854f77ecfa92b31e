"""A raw file of a published dataset: where it is, how large it is, and its digest.

Each dataset's own module lists its files; here are the addresses that several share.

Sizes and digests were taken from the files themselves, or from the pointers that a host keeps of them; those of
KnowEdit are what others measured on their downloads. Where none is known, they are recorded at the first download and
checked from then on (`wise.datasets.published.download`).
"""

from __future__ import annotations

from dataclasses import dataclass

ROME = "https://rome.baulab.info/data/dsets"
REPAIR = "sci-m-wang/REPAIR/ab1b995c8ca61719a9dc238a81bb019e0f1baae7/data/wise"
SPREAD = "Jometeorie/KnowledgeSpread/51d7402617c2e52bde0dc11b76e400c3725a181a/data"
LOCFT = "ICT-STAR/LocFT/HEAD/data"
LOCFT_HOME = "https://github.com/ICT-STAR/LocFT"
GITHUB = "https://raw.githubusercontent.com"
GITHUB_LARGE = "https://media.githubusercontent.com/media"
"""Where GitHub serves files that a repository keeps in Git LFS."""
WISE_ARCHIVE = "https://drive.google.com/file/d/1YtQvv4WvTa4rJyDYQR2J-uK8rnrt0kTA/view"
"""ZsRE, Hallucination and Temporal, as the WISE authors link them."""
EASYEDIT_ARCHIVE = "https://drive.google.com/file/d/1WRo2SqqgNtZF11Vq0sF5nL_-bHi18Wi4/view"
"""ZsRE and CounterFact, as EasyEdit links them."""

EASYEDIT_LICENCE = "published with EasyEdit (code: MIT)"


@dataclass(frozen=True)
class Source:
    """One raw file.

    `urls` are tried in turn and may be none; `home` is the page for people, which always has the file. `size` is in
    bytes, 0 where it is not known, as an empty `sha256` is.
    """

    name: str
    folder: str
    urls: tuple[str, ...] = ()
    size: int = 0
    sha256: str = ""
    licence: str = ""
    home: str = ""
