"""Raw files of published datasets: where each is, how large it is, and its digest.

Sizes and digests were taken from the files themselves, or from the pointers that a host keeps of them; those of
KnowEdit are what others measured on their downloads. Where none is known, they are recorded at the first download and
checked from then on (`wise.datasets.published.download`).
"""

from __future__ import annotations

from dataclasses import dataclass

ROME = "https://rome.baulab.info/data/dsets"
REPAIR = "sci-m-wang/REPAIR/ab1b995c8ca61719a9dc238a81bb019e0f1baae7/data/wise"
SPREAD = "Jometeorie/KnowledgeSpread/51d7402617c2e52bde0dc11b76e400c3725a181a/data"
RAW = "https://raw.githubusercontent.com"
LARGE = "https://media.githubusercontent.com/media"
"""Where GitHub serves files that a repository keeps in Git LFS."""
KNOWEDIT = "https://huggingface.co/datasets/zjunlp/KnowEdit/resolve/6d218881e60c7c8be836bd2befd598eb3b318be4/benchmark"
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


def _knowedit(path: str, sha256: str = "", size: int = 0) -> Source:
    name, home = path.split("/")[-1], "https://huggingface.co/datasets/zjunlp/KnowEdit"
    return Source(name, "knowedit", (f"{KNOWEDIT}/{path}",), size, sha256, "MIT", home)


_ALL = (
    Source(
        "zsre_mend_edit.json",
        "zsre",
        (f"{LARGE}/{REPAIR}/ZsRE/zsre_mend_edit.json",),
        842861,
        "0cf155da229b2eccae19fcfe5f7a09523363d357f5f15508d1521f495ad5ecd9",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    Source(
        "zsre_mend_train.json",
        "zsre",
        (f"{ROME}/zsre_mend_train.json", f"{LARGE}/{REPAIR}/ZsRE/zsre_mend_train.json"),
        69136174,
        "4f3ac245e9c0baaf633f9e6cb765ffa8e83d594a74520a6cc3539497328c0722",
        "published with MEND and ROME (code: MIT)",
        WISE_ARCHIVE,
    ),
    Source(
        "zsre_mend_eval.json",
        "zsre",
        (f"{ROME}/zsre_mend_eval.json", f"{LARGE}/{REPAIR}/ZsRE/zsre_mend_eval.json"),
        8091864,
        "8a371d512f8a6ab175db4ef672181d5c0e52da23298cb51e5a2eeea2f89aa9cd",
        "published with MEND and ROME (code: MIT)",
        "https://rome.baulab.info/data/",
    ),
    Source(
        "zsre_mend_train-1k.json",
        "zsre",
        (f"{RAW}/{SPREAD}/zsre/zsre_mend_train-1k.json",),
        537970,
        "e62596101d8ed551889c26c0d2a5277f92eaef3b14416d8eaee39b04a244ab60",
        "published with MEND (code: MIT)",
        "https://github.com/Jometeorie/KnowledgeSpread",
    ),
    Source(
        "hallucination-edit.json",
        "hallucination",
        (f"{RAW}/{REPAIR}/hallucination/hallucination-edit.json",),
        538052,
        "523ce88b5299047bf58ea3ad8b7e9d12635592543df54b58c8eaf16d5e68aaaf",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    Source(
        "hallucination-train.json",
        "hallucination",
        (),
        274920,
        "ef280a0ce9aa194c545e7a1c7983df181b8e48dbfb1945ffe40e1903cca0d297",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    Source(
        "temporal-edit.json",
        "temporal",
        (f"{RAW}/{REPAIR}/temporal/temporal-edit.json",),
        158826,
        "3c27956224d56111762e7b56ca0595dc638cc005faaf322a01c48ecd5283aef8",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    Source(
        "temporal-train.json",
        "temporal",
        (f"{RAW}/{REPAIR}/temporal/temporal-train.json",),
        155949,
        "0ba8c40de49bd0d0ffc1da69ac17fcfce6db8c32bf36a7df5c88730b48e1172a",
        EASYEDIT_LICENCE,
        WISE_ARCHIVE,
    ),
    Source(
        "counterfact-edit.json",
        "counterfact",
        (f"{RAW}/{SPREAD}/counterfact/counterfact-edit.json",),
        3950774,
        "bfe31a7081932739406e282bb625d74222549c3386c15b1df3dfbc3978c69eec",
        "published with ROME and EasyEdit (code: MIT)",
        EASYEDIT_ARCHIVE,
    ),
    _knowedit("wiki_recent/recent_test.json", "e5c4ce6de1e8e2d10d892164ad6f4cbd28c976ed509e29e78ae853b01de1797b"),
    _knowedit("wiki_recent/recent_train.json"),
    _knowedit(
        "wiki_counterfact/test_cf.json", "efc01ba398dfe04975939f729aab45523addb3c6b3cf41d7429ba5de1d45225b", 2924593
    ),
    _knowedit("wiki_counterfact/train_cf.json"),
    _knowedit("Convsent/blender_test.json"),
    _knowedit("Convsent/blender_train.json"),
    _knowedit("WikiBio/wikibio-test-all.json", "00933f69b47d8281d01f1f4b84f3f266b7482a65a7d74022e660a8a9ca2264a4"),
    _knowedit("WikiBio/wikibio-train-all.json", "6ee88049c1c6c00d6f81d2d942350b6ec78b45917d2ec8a3eec3eafa89c2e209"),
    _knowedit("ZsRE/ZsRE-test-all.json", "0e0214dda853a906ef02bef58c7ce2978af5a962e91fc4a10827e0125459905c", 1519289),
)

SOURCES = {source.name: source for source in _ALL}
"""By file name, which no two share."""
