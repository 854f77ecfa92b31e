"""What a running model does beside answering: its own methods, copies of it, prompts that share a row."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from transformers import GenerationConfig

from tests.contract.test_generation import VARIANTS, attached, continued, variants
from tests.tiny_edits import STREAM, edited
from wise.edited import EditedModel
from wise.editors.mechanisms.model_methods import PACKING
from wise.errors import ConfigError

deciding = pytest.mark.parametrize("variant", [name for name in VARIANTS if name not in ("none", "ft-l")])


# Several prompts in one row


@deciding
def test_continuous_batching_is_refused_while_prompts_are_told_apart(variant):
    editor = edited(VARIANTS[variant][0], **VARIANTS[variant][1])
    model = editor.lm.model
    with pytest.raises(ConfigError, match="ask with generate"):
        model.generate_batch([[2, 5, 6]], generation_config=GenerationConfig(max_new_tokens=1, eos_token_id=3))
    with pytest.raises(ConfigError, match="ask with generate"), model.continuous_batching_context_manager():
        pass
    with pytest.raises(ConfigError, match="ask with generate"):
        continued(editor, cache_implementation="paged")
    editor.rollback()
    assert not set(PACKING) & set(vars(model)) and callable(model.generate_batch)


def test_an_editor_of_weights_leaves_continuous_batching_alone():
    model = attached("ft-l").lm.model
    assert not set(PACKING) & set(vars(model))


def test_a_row_of_several_texts_is_refused():
    ids = torch.tensor([[2, 5, 6, 2, 7, 8]])
    with pytest.raises(ConfigError, match="reads several prompts as one row"):
        attached("wise-retrieve").lm.model(ids, cu_seq_lens_q=torch.tensor([0, 3, 6]))


# The model's own methods, and copies of it


@deciding
def test_a_generate_of_the_user_s_own_is_called_and_left_in_its_place(variant):
    name, options = VARIANTS[variant]
    editor = edited(name, count=0, **options)
    model, calls = editor.lm.model, []

    def own(*args, **kwargs):
        calls.append(1)
        return type(model).generate(model, *args, **kwargs)

    model.generate = own
    for record in STREAM:
        editor.edit(record)
    continued(editor)
    assert calls
    editor.rollback()
    assert model.generate is own


@variants
def test_a_copy_of_the_model_is_an_edited_model_of_its_own(variant):
    name, options = VARIANTS[variant]
    editor = edited(name, **options)
    whole, expected = EditedModel(editor), continued(editor)
    copied = copy.deepcopy(whole.model).wise_editor
    with editor.unedited():
        unedited = continued(editor)
    with torch.no_grad():
        for parameter in whole.model.parameters():
            parameter.zero_()
    assert continued(copied.editor) == expected
    whole.close()
    assert continued(copied.editor) == expected, "the copy goes on without the original"
    copied.close()
    assert continued(copied.editor) == unedited


@variants
def test_an_edited_model_says_how_it_is_kept_in_a_file(variant):
    name, options = VARIANTS[variant]
    whole = EditedModel(edited(name, **options))
    with pytest.raises(ConfigError, match="write its memory with save_pretrained"):
        pickle.dumps(whole.model)
    whole.close()
    pickle.dumps(whole.model)
