"""Models: networks that can be trained, evaluated and used for predictions."""

from cbackprop.absent import explain
from cbackprop.models.clone import clone_model
from cbackprop.models.ensemble import Ensemble
from cbackprop.models.fit_many import fit_many
from cbackprop.models.from_json import model_from_json
from cbackprop.models.model import Model
from cbackprop.models.sequential import Sequential
from cbackprop.saving import load_model, save_model

__all__ = ["Ensemble", "Model", "Sequential", "clone_model", "fit_many", "load_model", "model_from_json", "save_model"]


explain(__name__)
