"""Keys of everything that is written."""

from __future__ import annotations

from dataclasses import dataclass

_DERIVED = ("novelty", "label", "certainty", "scores", "proba", "drift", "importance")


@dataclass(frozen=True)
class Keys:
    """Keys of the results of one method, by scanpy's convention for `key_added`.

    Examples
    --------
    >>> Keys.of("ivis", None)
    Keys(obsm='X_ivis', uns='ivis', latent='X_ivis_latent', novelty='ivis_novelty', label='ivis_label',
         certainty='ivis_certainty', scores='ivis_scores', proba='ivis_proba', drift='ivis_drift',
         importance='ivis_importance')
    >>> Keys.of("ivis", "mine").obsm
    'mine'
    """

    obsm: str
    uns: str
    latent: str
    novelty: str
    label: str
    certainty: str
    scores: str
    proba: str
    drift: str
    importance: str

    @classmethod
    def of(cls, method: str, key_added: str | None) -> Keys:
        """Keys of a method, or those that follow from the key of the user."""
        key = key_added or method
        check_key(key)
        derived = {name: f"{key}_{name}" for name in _DERIVED}
        obsm = f"X_{method}" if key == method else key
        return cls(obsm=obsm, uns=key, latent=f"{obsm}_latent", **derived)


def check_key(key: str) -> None:
    """Raise for a key that files cannot store."""
    if "/" in key:
        msg = f"key_added={key!r} contains a '/', which neither h5ad nor zarr can store."
        raise ValueError(msg)
